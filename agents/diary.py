"""What a worker's log tells of an appeal: what was decided, and what became of each batch.  Ids and numbers only."""

import structlog

from agents.routes import batch_id
from schemas import appeals as say
from schemas.reader import Message

LOG = structlog.get_logger("muster.appeals")


def write_down(message: Message) -> None:
    """A line for a fact that somebody may look for later.

    A batch with which all went well is worth a line only to those who want every one (MUSTER_LOG_LEVEL=debug).
    """
    match message:
        case say.AppealLaunched():
            LOG.info("an appeal is launched", appeal=message.appeal_id, need=message.need)
        case say.WaveOpened():
            LOG.info(
                "a wave is opened",
                appeal=message.appeal_id,
                wave=message.wave,
                matched=message.matched,
                invited=message.invited,
            )
        case say.AppealPaused() | say.AppealResumed():
            LOG.info("an appeal is held or goes on", appeal=message.appeal_id, what=message.type, by=message.by)
        case say.AppealFilled() | say.AppealStopped() | say.AppealExpired():
            LOG.info(
                "an appeal has ended",
                appeal=message.appeal_id,
                what=message.type,
                confirmed=message.confirmed,
                unreleased=message.unreleased,
            )
        case say.BatchSent():
            for outcome in message.batches:
                _batch(message, outcome)
        case _:
            return


def _batch(sent: say.BatchSent, outcome: say.BatchOutcome) -> None:
    trouble = outcome.uncertain or outcome.refused
    (LOG.warning if trouble else LOG.debug)(
        "a batch is done with members refused or uncertain" if trouble else "a batch is done",
        appeal=sent.appeal_id,
        batch=batch_id(sent.appeal_id, sent.wave, outcome.shard, outcome.batch),
        **outcome.model_dump(exclude={"shard", "batch"}, exclude_defaults=True),
    )
