"""The replies agent: what a member said becomes an answer, an opt-out or work for a person, and is acknowledged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter
from sqlalchemy import Connection

from agents.asked import appeals_that_asked
from agents.gather import Gather
from agents.routes import also_to_responses, post
from decisions import wording
from decisions.replies import answer_of, resolved, understand
from decisions.reply_words import Intent
from registry import addresses, appeals, opt_outs, outbox, replies
from registry.database import Database
from schemas.appeals import MemberAnswered
from schemas.dispatch import AnswerReply, Draft
from schemas.outgoing import Outgoing
from schemas.reader import Message
from schemas.replies import ReplyReceived
from schemas.spec import AppealSpec
from schemas.words import WRITTEN, Answer, Language, MessageKind
from streams.inbox import Delivery

SOURCE = "/muster/replies"
_READER = "replies"
_ACK_STAYS = timedelta(hours=12)
_AT_ONCE = 64
READ = Counter("muster_replies_read_total", "Replies by what was understood", ["channel", "intent"])


@dataclass(frozen=True, slots=True)
class Candidate:
    """An appeal that a reply may mean."""

    appeal_id: str
    slot: int
    open: bool
    spec: AppealSpec


class ReadReply:
    """The answer, the orders that follow from it and the acknowledgement commit together.

    Replies that wait while a commit is under way share the next one, in their order: while mass messages leave, each
    commit has a queue before it, and fifty people who answer at once must not stand in it fifty times.
    """

    def __init__(self, database: Database, *, shards: int, now: Callable[[], datetime]) -> None:
        self._shards = shards
        self._now = now
        self._replies = Gather(database, self._apply, limit=_AT_ONCE)

    async def __call__(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, ReplyReceived):
            intent = await self._replies.add((delivery.envelope.id, delivery.message))
            if intent is not None:
                READ.labels(channel=delivery.message.channel.value, intent=intent.value).inc()

    def _apply(self, connection: Connection, received: Sequence[tuple[str, ReplyReceived]]) -> list[Intent | None]:
        """How each was understood; none for what was read before."""
        fresh = outbox.first_times(connection, _READER, [event_id for event_id, _ in received])
        intents: list[Intent | None] = []
        for event_id, reply in received:
            known = event_id not in fresh
            fresh.discard(event_id)
            intents.append(None if known else Reading(connection, reply, self._shards, self._now()).apply())
        return intents


class Reading:
    """The reading of one reply within a transaction."""

    def __init__(self, connection: Connection, received: ReplyReceived, shards: int, now: datetime) -> None:
        self._connection = connection
        self._received = received
        self._shards = shards
        self._now = now
        self._told: list[Outgoing] = []

    def apply(self) -> Intent:
        """Do all that follows; how the reply was understood."""
        received = self._received
        stored = replies.reply(self._connection, received.reply_id)
        words = stored.words if stored is not None else ""
        reading = understand(words)
        meant = self._meant(reading.prefix)
        open_yes = received.member_id is not None and self._has_open_yes(meant, received.member_id)
        intent = resolved(reading, open_yes=open_yes).intent
        answer = received.answer or answer_of(reading, open_yes=open_yes)
        desk: str | None = None
        if received.member_id is None:
            desk = self._from_nobody_known(intent, stored.address if stored is not None else "")
        elif received.answer is None and intent is Intent.OPT_OUT:
            self._opt_out(received.member_id, meant)
        elif answer is not None:
            desk = self._answer(received.member_id, meant, answer)
        else:
            desk = self._ask_a_person(meant, intent)
        outbox.put(self._connection, self._told)
        replies.understood(
            self._connection,
            received.reply_id,
            intent=received.answer.value if received.answer is not None else intent.value,
            appeal_id=meant[0].appeal_id if len(meant) == 1 else None,
            desk=desk,
        )
        return intent

    # --- which appeal -------------------------------------------------------------------------------------------

    def _meant(self, prefix: str | None) -> list[Candidate]:
        """The appeal that the reply means; several when it cannot be told, none when there is none."""
        received = self._received
        if received.appeal_id is not None:
            return [_candidate(appeals.appeal(self._connection, received.appeal_id))]
        if received.slot:
            return [_candidate(row) for row in appeals.by_slot(self._connection, received.slot)[:1]]
        if received.member_id is None:
            return []
        rows = appeals_that_asked(self._connection, received.member_id, self._shards, open_only=True)
        asked = [_candidate(row) for row in reversed(rows)]  # the letters A, B ... follow the order of launch
        if prefix is not None and ord(prefix) - ord("A") < len(asked):
            return [asked[ord(prefix) - ord("A")]]
        return asked

    # --- what follows -------------------------------------------------------------------------------------------

    def _answer(self, member: int, meant: Sequence[Candidate], answer: Answer) -> str | None:
        if len(meant) != 1:
            self._acknowledge(wording.Kind.UNCLEAR, meant)
            return "which-appeal" if meant else "no-appeal"
        appeal = meant[0]
        replies.put_answer(
            self._connection,
            appeal_id=appeal.appeal_id,
            member_id=member,
            answer=answer,
            channel=self._received.channel,
            answered_at=self._now,
            reply_id=self._received.reply_id,
        )
        self._tell_answer(member, appeal, answer)
        if answer is Answer.YES:
            self._acknowledge(wording.Kind.ACK_YES if appeal.open else wording.Kind.CLOSED, meant)
        else:
            self._acknowledge(wording.Kind.ACK_NO, meant)
        return None

    def _tell_answer(self, member: int, appeal: Candidate, answer: Answer) -> None:
        answered = MemberAnswered(
            appeal_id=appeal.appeal_id,
            member_id=member,
            answer=answer,
            channel=self._received.channel,
            reply_id=self._received.reply_id,
            told_closed=not appeal.open,
        )
        told = self._post(answered, "answered")
        self._told.append(also_to_responses(answered, told))

    def _opt_out(self, member: int, meant: Sequence[Candidate]) -> None:
        """Final and at once, of every purpose; a yes that was open is taken back with it."""
        said = opt_outs.opt_out(self._connection, member, at=self._now, source=self._received.channel)
        self._told += [self._addressed(message, f"opted-out/{n}") for n, message in enumerate(said)]
        for appeal in meant:
            if self._has_open_yes([appeal], member):
                self._answer_withdrawn(member, appeal)
        self._acknowledge(wording.Kind.ACK_OPT_OUT, meant)

    def _answer_withdrawn(self, member: int, appeal: Candidate) -> None:
        replies.put_answer(
            self._connection,
            appeal_id=appeal.appeal_id,
            member_id=member,
            answer=Answer.WITHDRAWN,
            channel=self._received.channel,
            answered_at=self._now,
            reply_id=self._received.reply_id,
        )
        self._tell_answer(member, appeal, Answer.WITHDRAWN)

    def _from_nobody_known(self, intent: Intent, address: str) -> str:
        """An unknown or shared number: a person looks at it, but its opt-out holds at once, for the number."""
        if intent is Intent.OPT_OUT and address:
            said = opt_outs.opt_out_address(
                self._connection, self._received.channel, address, at=self._now, source=self._received.channel
            )
            self._told += [self._addressed(message, f"opted-out/{n}") for n, message in enumerate(said)]
            self._acknowledge(wording.Kind.ACK_OPT_OUT, [])
        else:
            self._acknowledge(wording.Kind.UNCLEAR, [])
        return (
            "unknown-number"
            if not addresses.owners(self._connection, self._received.channel, address)
            else "shared-number"
        )

    def _ask_a_person(self, meant: Sequence[Candidate], intent: Intent) -> str | None:
        if intent is Intent.EMPTY:
            return None
        self._acknowledge(wording.Kind.UNCLEAR, meant)
        return intent.value

    def _has_open_yes(self, meant: Sequence[Candidate], member: int) -> bool:
        return any(
            row is not None and row.answer == Answer.YES
            for row in (replies.answer(self._connection, appeal.appeal_id, member) for appeal in meant)
        )

    # --- acknowledgement ----------------------------------------------------------------------------------------

    def _acknowledge(self, kind: wording.Kind, meant: Sequence[Candidate]) -> None:
        """Every message is answered at once by the channel it came by; who called has been answered by the seat."""
        if self._received.channel not in WRITTEN:
            return
        appeal = meant[0] if len(meant) == 1 else None
        programme = appeal.spec.programme if appeal else None
        custom = appeal.spec.texts.acknowledgement if appeal and kind is wording.Kind.ACK_YES else {}
        texts = {language: custom.get(language) or wording.render(kind, language, programme) for language in Language}
        self._post(
            AnswerReply(
                given_by="replies",
                reply_id=self._received.reply_id,
                appeal_id=appeal.appeal_id if appeal else None,
                draft=Draft(
                    kind=MessageKind.ACKNOWLEDGEMENT,
                    channel=self._received.channel,
                    texts=texts,
                    slot=appeal.slot if appeal else self._received.slot or 0,
                    not_after=self._now + _ACK_STAYS,
                ),
            ),
            "ack",
        )

    def _post(self, message: Message, name: str) -> Outgoing:
        told = self._addressed(message, name)
        self._told.append(told)
        return told

    def _addressed(self, message: Message, name: str) -> Outgoing:
        return post(message, event_id=f"{self._received.reply_id}/{name}", source=SOURCE, time=self._now)


def _candidate(row: object) -> Candidate:
    return Candidate(
        appeal_id=row.appeal_id,  # type: ignore[attr-defined]
        slot=row.slot,  # type: ignore[attr-defined]
        open=row.status in appeals.OPEN,  # type: ignore[attr-defined]
        spec=AppealSpec.model_validate_json(row.spec),  # type: ignore[attr-defined]
    )
