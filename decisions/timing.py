"""When an appeal ends and its waves open: what keeps such times from making sense."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from decisions.problems import Problem
from schemas.spec import AppealSpec


def ends_at(spec: AppealSpec, launched: datetime) -> datetime:
    """When an appeal that is launched now ends."""
    return launched + spec.deadline if isinstance(spec.deadline, timedelta) else spec.deadline


def check_times(spec: AppealSpec, now: datetime) -> Iterator[Problem]:
    """What keeps a spec that is launched now from asking everybody whom it names."""
    ends = ends_at(spec, now)
    if ends <= now:
        yield Problem("deadline", "has passed", "write a later moment, or a time after the launch, such as 4h")
        return
    for place, wave in enumerate(spec.waves, start=1):
        if now + wave.after >= ends:
            yield Problem(
                f"waves.{place}.after", "the deadline comes first", "open it earlier, or set a later deadline"
            )
