"""The doors: one function per order that a person gives.  Database and outbox in one transaction, nothing else.

The command line, hotline seats, the console and rehearsals all come in here.  Ids and times are arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from agents.routes import also_to_responses, post
from decisions import wording
from decisions.batches import batch_size
from decisions.matching import check_spec
from decisions.problems import Problem
from decisions.timing import check_times, ends_at
from registry import appeals, opt_outs, outbox, replies
from registry.errors import NotFound, Refused
from registry.profile import profile
from registry.replies import Received
from schemas.appeals import LaunchAppeal, MemberScreened, PauseAppeal, ResumeAppeal, StopAppeal
from schemas.replies import ReplyReceived
from schemas.requests import HelpRequested, RequestRejected, RequestVerified
from schemas.spec import AppealSpec, Texts
from schemas.words import Answer, Channel, Language, Purpose

SOURCE = "/muster/doors"


class BadSpec(ValueError):
    """The spec can be read and cannot be launched; `problems` name fields and remedies."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Pace:
    """How an appeal is cut up and released, from the settings of whoever launches it."""

    shards: int
    most_in_batch: int
    release_ahead: int
    ask_again_after: timedelta


# --- requests -------------------------------------------------------------------------------------------------------


def file_request(connection: Connection, spec: AppealSpec, *, request_id: str, by: str, now: datetime) -> None:
    """Take a help request in.  Raises `BadSpec`; then nothing is written."""
    ensure_launchable(spec, now)
    appeals.file_request(
        connection, request_id=request_id, kind=spec.kind, spec=spec.model_dump_json(), filed_by=by, filed_at=now
    )
    filed = HelpRequested(request_id=request_id, kind=spec.kind, spec=spec, filed_by=by)
    outbox.put(connection, [post(filed, event_id=f"{request_id}/filed", source=SOURCE, time=now)])


def ensure_launchable(spec: AppealSpec, now: datetime) -> None:
    """Raise `BadSpec` with everything that keeps this spec from being launched."""
    problems = [*check_spec(spec, now.date()), *check_times(spec, now)]
    if not problems:  # the texts can only be made of a spec that makes sense
        problems = _text_problems(complete(spec))
    if problems:
        raise BadSpec(problems)


def verify_request(connection: Connection, request_id: str, *, by: str, now: datetime) -> None:
    """A person has checked that the call for help is real.  Raises `NotFound` or `Refused`."""
    appeals.judge_request(connection, request_id, verified=True, by=by, at=now)
    judged = RequestVerified(request_id=request_id, verified_by=by)
    outbox.put(connection, [post(judged, event_id=f"{request_id}/judged", source=SOURCE, time=now)])


def reject_request(connection: Connection, request_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Nobody will be asked for this.  Raises `NotFound` or `Refused`."""
    appeals.judge_request(connection, request_id, verified=False, by=by, at=now, reason=reason)
    judged = RequestRejected(request_id=request_id, rejected_by=by, reason=reason)
    outbox.put(connection, [post(judged, event_id=f"{request_id}/judged", source=SOURCE, time=now)])


# --- appeals --------------------------------------------------------------------------------------------------------


def launch_appeal(
    connection: Connection,
    request_id: str,
    *,
    appeal_id: str,
    pace: Pace,
    by: str,
    drill: bool,
    now: datetime,
) -> None:
    """Start asking, once per request.  Raises `NotFound` or `Refused`."""
    spec = complete(AppealSpec.model_validate_json(appeals.request(connection, request_id).spec))
    deadline = ends_at(spec, now)
    if deadline <= now:
        raise Refused(f"the deadline of request {request_id} has passed: file it again with a later one")
    slot = appeals.launch(
        connection,
        appeal_id=appeal_id,
        request_id=request_id,
        spec=spec.model_dump_json(),
        deadline=deadline,
        by=by,
        at=now,
        drill=drill,
    )
    order = LaunchAppeal(
        given_by=by,
        drill=drill,
        appeal_id=appeal_id,
        request_id=request_id,
        spec=spec,
        deadline=deadline,
        slot=slot,
        shards=pace.shards,
        batch_size=batch_size(spec.waves, pace.most_in_batch),
        release_ahead=pace.release_ahead,
        ask_again_after=pace.ask_again_after,
    )
    outbox.put(connection, [post(order, event_id=f"{appeal_id}/launch", source=SOURCE, time=now)])


def complete(spec: AppealSpec) -> AppealSpec:
    """The spec with every text that will go out, those of the programme where it gives none of its own."""
    own, blood = spec.texts, spec.blood
    abo, negative = (blood.abo, blood.rhd_required == "hard") if blood else (None, False)
    texts = Texts(
        mass={
            language: own.mass.get(language)
            or wording.render_mass(spec.programme, language, abo=abo, rhd_negative=negative)
            for language in Language
        },
        acknowledgement=own.acknowledgement,
        stand_down=wording.render_all(wording.Kind.STAND_DOWN, spec.programme, own.stand_down),
        ended=wording.render_all(wording.Kind.ENDED, spec.programme, own.ended),
    )
    return spec.model_copy(update={"texts": texts})


def _text_problems(spec: AppealSpec) -> list[Problem]:
    checked = (
        ("mass", spec.texts.mass, wording.check_mass_text),
        ("acknowledgement", spec.texts.acknowledgement, wording.check_personal_text),
        ("stand_down", spec.texts.stand_down, wording.check_personal_text),
        ("ended", spec.texts.ended, wording.check_personal_text),
    )
    return [
        Problem(f"texts.{name}.{language.value}", problem.reason, problem.remedy)
        for name, texts, check in checked
        for language, text in texts.items()
        for problem in check(text)
    ]


def pause_appeal(connection: Connection, appeal_id: str, *, by: str, event_id: str, now: datetime) -> None:
    """No more batches are released.  Raises `NotFound` or `Refused`."""
    _ensure_takes_orders(connection, appeal_id, ("open",))
    _order(connection, PauseAppeal(given_by=by, appeal_id=appeal_id), event_id, now, leads_to="paused")


def resume_appeal(connection: Connection, appeal_id: str, *, by: str, event_id: str, now: datetime) -> None:
    """Go on.  Raises `NotFound` or `Refused`."""
    _ensure_takes_orders(connection, appeal_id, ("paused",))
    _order(connection, ResumeAppeal(given_by=by, appeal_id=appeal_id), event_id, now, leads_to="open")


def stop_appeal(connection: Connection, appeal_id: str, *, by: str, reason: str, event_id: str, now: datetime) -> None:
    """No message of this appeal leaves any more.  Raises `NotFound` or `Refused`."""
    _ensure_takes_orders(connection, appeal_id, appeals.OPEN)
    order = StopAppeal(given_by=by, appeal_id=appeal_id, reason=reason)
    _order(connection, order, event_id, now, leads_to="stopped")


def _ensure_takes_orders(connection: Connection, appeal_id: str, allowed: Sequence[str]) -> None:
    """Raise unless there is something for the order to do.

    What counts is where the orders before it lead, and also where the appeal stands: while the log is away an order is
    accepted and not decided yet, and an officer who has paused must be able to resume.
    """
    found = appeals.appeal(connection, appeal_id)
    under_way = found.ordered if found.status in appeals.OPEN else None
    if found.status not in allowed and under_way not in allowed:
        raise Refused(f"appeal {appeal_id} is {found.status}")


def _order(
    connection: Connection,
    order: PauseAppeal | ResumeAppeal | StopAppeal,
    event_id: str,
    now: datetime,
    *,
    leads_to: str,
) -> None:
    appeals.order(connection, order.appeal_id, leads_to)
    outbox.put(connection, [post(order, event_id=event_id, source=SOURCE, time=now)])


# --- people ---------------------------------------------------------------------------------------------------------


def record_answer(
    connection: Connection,
    *,
    member_id: int,
    answer: Answer,
    reply_id: str,
    shards: int,
    by: str,
    now: datetime,
    appeal_id: str | None = None,
) -> str:
    """A hotline seat writes down what a caller said; the appeal it counts for.

    Raises `NotFound` when no open appeal asked this member, `Refused` when several did and none is named.
    """
    appeal_id = appeal_id or _only_appeal_that_asked(connection, member_id, shards)
    appeals.appeal(connection, appeal_id)
    replies.store(
        connection,
        [
            Received(
                reply_id=reply_id,
                received_at=now,
                channel=Channel.HOTLINE,
                address=f"seat:{by}",
                sent_to="",
                member_id=member_id,
                appeal_id=appeal_id,
                words="",
            )
        ],
    )
    received = ReplyReceived(
        reply_id=reply_id, channel=Channel.HOTLINE, member_id=member_id, appeal_id=appeal_id, answer=answer
    )
    outbox.put(connection, [post(received, event_id=reply_id, source=SOURCE, time=now)])
    return appeal_id


def _only_appeal_that_asked(connection: Connection, member_id: int, shards: int) -> str:
    from agents.asked import appeals_that_asked  # noqa: PLC0415 - numpy, which the other doors can do without

    asked = appeals_that_asked(connection, appeals.appeals(connection), member_id, shards)
    if not asked:
        raise NotFound(f"no appeal has asked member {member_id}: name the appeal with --appeal")
    still_open = [row for row in asked if row.status in appeals.OPEN]
    if len(still_open) > 1:
        names = ", ".join(row.appeal_id for row in still_open)
        raise Refused(f"several open appeals asked member {member_id}: name one with --appeal: {names}")
    return str((still_open or asked)[0].appeal_id)


def confirm(
    connection: Connection, appeal_id: str, member_id: int, *, matched: bool, by: str, event_id: str, now: datetime
) -> None:
    """A coordinator has screened a member who said yes.  Raises `NotFound`, or `Refused` when it was done before."""
    appeals.appeal(connection, appeal_id)
    answer = replies.answer(connection, appeal_id, member_id)
    if answer is None or answer.answer != Answer.YES:
        profile(connection, member_id)  # a slip of the number is called one
        raise NotFound(f"member {member_id} has no open yes to appeal {appeal_id}: record the answer first")
    if answer.matched is not None:
        raise Refused(f"member {member_id} was already screened by {answer.screened_by}")
    if not replies.screen(connection, appeal_id=appeal_id, member_id=member_id, matched=matched, by=by, at=now):
        raise Refused(f"member {member_id} has just been screened by somebody else")
    screened = MemberScreened(appeal_id=appeal_id, member_id=member_id, matched=matched, screened_by=by)
    told = post(screened, event_id=event_id, source=SOURCE, time=now)
    outbox.put(connection, [told, also_to_responses(screened, told)])


def opt_out(
    connection: Connection,
    member_id: int,
    *,
    purpose: Purpose | None,
    channel: Channel | None,
    source: str,
    event_id: str,
    now: datetime,
) -> None:
    """A member wants to hear no more.  Raises `NotFound`; a second time changes nothing."""
    said = opt_outs.opt_out(connection, member_id, purpose=purpose, channel=channel, at=now, source=source)
    outbox.put(
        connection,
        [post(message, event_id=f"{event_id}/{n}", source=SOURCE, time=now) for n, message in enumerate(said)],
    )
