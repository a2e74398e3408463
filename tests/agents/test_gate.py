"""What the controls hold back does not depend on when, how often and in which order they are heard."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from agents.dispatch.gate import Gate
from agents.routes import route
from schemas.dispatch import SendingPaused, SendingResumed, SendingStopped

APPEAL = "a-20111124-0001"
EVENING = datetime(2011, 11, 24, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HELD = SendingPaused(appeal_id=APPEAL, decided_at=EVENING)
GOES_ON = SendingResumed(appeal_id=APPEAL, decided_at=EVENING + MINUTE)
HELD_AGAIN = SendingPaused(appeal_id=APPEAL, decided_at=EVENING + 2 * MINUTE)
STOPPED = SendingStopped(appeal_id=APPEAL)
Control = SendingPaused | SendingResumed | SendingStopped


async def _runs(*heard: Control) -> bool:
    gate = Gate()
    for control in heard:
        gate.hear(control)
    waiting = asyncio.create_task(gate.until_running(APPEAL))
    await asyncio.sleep(0)
    held = waiting.cancel()
    return not held


async def test_nobody_who_was_never_held_waits():
    assert await _runs()


@pytest.mark.parametrize("heard", list(permutations([HELD, GOES_ON, HELD, GOES_ON])))
async def test_of_a_pause_and_a_resume_the_one_decided_last_holds(heard: tuple[Control, ...]):
    # A process that was frozen publishes the pause once more, long after everybody has gone on.
    assert await _runs(*heard)


@pytest.mark.parametrize("heard", list(permutations([HELD, GOES_ON, HELD_AGAIN, GOES_ON])))
async def test_a_second_pause_is_not_lifted_by_the_first_resume(heard: tuple[Control, ...]):
    assert not await _runs(*heard)


@pytest.mark.parametrize("heard", list(permutations([HELD, GOES_ON, HELD_AGAIN, STOPPED])))
async def test_whoever_waits_hears_of_a_stop_whatever_comes_after_it(heard: tuple[Control, ...]):
    assert await _runs(*heard)


async def test_what_older_releases_wrote_is_heard_in_the_order_in_which_it_stands():
    old_pause, old_resume = SendingPaused(appeal_id=APPEAL), SendingResumed(appeal_id=APPEAL)
    assert not await _runs(old_pause)
    assert await _runs(old_pause, old_resume)
    assert not await _runs(old_pause, old_resume, HELD, old_resume)


def test_compaction_keeps_every_pause_and_resume():
    keys = {route(control).key for control in (HELD, GOES_ON, HELD_AGAIN, STOPPED)}
    assert len(keys) == 4  # it keeps what was published last under a key: that may be the oldest
