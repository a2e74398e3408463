"""What the order to launch an appeal says."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.doors import Pace, file_request, launch_appeal, verify_request
from registry import outbox
from registry.database import Database
from schemas.appeals import LaunchAppeal
from schemas.reader import read
from schemas.spec import AppealSpec, BloodNeed, WaveSpec
from schemas.words import ABO

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
PACE = Pace(shards=8, most_in_batch=8192, release_ahead=60_000, ask_again_after=timedelta(seconds=5))


@pytest.mark.parametrize(("size", "expected"), [(40_000, 2500), (None, 8192)])
def test_an_appeal_is_cut_up_by_the_size_of_its_waves(database: Database, size: int | None, expected: int):
    spec = AppealSpec(
        programme="platelets",
        blood=BloodNeed(abo=ABO.AB),
        need=1,
        deadline=timedelta(hours=4),
        waves=(WaveSpec(size=size),),
    )
    with database.transaction() as connection:
        file_request(connection, spec, request_id="r-20240501", by="officer", now=NOW)
        verify_request(connection, "r-20240501", by="officer", now=NOW)
        launch_appeal(
            connection, "r-20240501", appeal_id="a-20240501-0001", pace=PACE, by="officer", drill=True, now=NOW
        )
        told = [read(message.value) for _, message in outbox.waiting(connection, 10)]
    (order,) = [message for message in told if isinstance(message, LaunchAppeal)]
    assert (order.batch_size, order.release_ahead) == (expected, 60_000)
