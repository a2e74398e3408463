"""How fast appeals go that are launched from here."""

from datetime import timedelta

from agents.doors import Pace
from muster.settings import Settings


def pace(settings: Settings) -> Pace:
    """How appeals launched under these settings are cut up and released."""
    return Pace(
        shards=settings.shards,
        most_in_batch=settings.dispatch.batch_size,
        release_ahead=settings.dispatch.release_ahead,
        ask_again_after=timedelta(seconds=5 * settings.clock.speed),
    )
