"""The replies agent: what a member said becomes an answer, an opt-out or work for a person, and is acknowledged."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import compress

from prometheus_client import Counter
from sqlalchemy import Connection

from agents.gather import Gather
from agents.papers import Candidate, Papers
from agents.routes import also_to_responses, post
from decisions import wording
from decisions.replies import answer_of, resolved, understand
from decisions.reply_words import Intent
from registry import addresses, opt_outs, outbox, replies
from registry.database import Database
from registry.errors import NotFound
from registry.replies import Answered, Understood
from schemas.appeals import MemberAnswered
from schemas.dispatch import AnswerReply, Draft
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from schemas.reader import Message
from schemas.replies import ReplyRead, ReplyReceived
from schemas.words import WRITTEN, Answer, Channel, Language, MessageKind
from streams.inbox import Delivery

SOURCE = "/muster/replies"
_READER = "replies"
_ACK_STAYS = timedelta(hours=12)
_AT_ONCE = 64
OnAnswer = Callable[[Envelope, MemberAnswered], None]  # called once the answer has committed, before the log brings it
READ = Counter("muster_replies_read_total", "Replies by what was understood", ["channel", "intent"])


@dataclass(frozen=True, slots=True)
class Unread:
    """A reply to be read; its acknowledgement leaves by this partition of the urgent lane, or by any."""

    received: ReplyReceived
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """How a reply was understood, what its writer is told, if anything, and the answer that was kept of it, if any."""

    intent: Intent
    acknowledgement: AnswerReply | None
    answers: tuple[tuple[Envelope, MemberAnswered], ...]

    def committed(self, channel: Channel, on_answer: OnAnswer) -> None:
        """Count it, and tell of its answers: its transaction has committed."""
        READ.labels(channel=channel.value, intent=self.intent.value).inc()
        for answer in self.answers:
            on_answer(*answer)


class ReadReply:
    """Reads what was stored unread: the answer, the orders that follow from it and the acknowledgement commit together.

    Replies that wait while a commit is under way share the next one, in their order: while mass messages leave, each
    commit has a queue before it, and fifty people who answer at once must not stand in it fifty times.
    """

    def __init__(
        self, database: Database, *, shards: int, now: Callable[[], datetime], on_answer: OnAnswer = lambda *_: None
    ) -> None:
        self._shards = shards
        self._now = now
        self._on_answer = on_answer
        self._replies = Gather(database, self._apply, limit=_AT_ONCE)

    async def __call__(self, delivery: Delivery) -> None:
        if isinstance(delivery.message, ReplyReceived):
            read = await self._replies.add((delivery.envelope.id, delivery.message))
            if read is not None:
                read.committed(delivery.message.channel, self._on_answer)

    def _apply(self, connection: Connection, received: Sequence[tuple[str, ReplyReceived]]) -> list[Read | None]:
        """How each was understood; none for what was read before."""
        members = {reply.member_id for _, reply in received if reply.member_id is not None}
        replies.wait_for_turn(connection, members=members)
        new = outbox.are_new(connection, _READER, [event_id for event_id, _ in received])
        unread = [Unread(reply) for _, reply in compress(received, new)]
        papers = Papers(connection, self._shards, stored=[item.received.reply_id for item in unread])
        read = iter(read_all(papers, unread, self._now()))
        return [next(read) if is_new else None for is_new in new]


def read_all(papers: Papers, unread: Sequence[Unread], now: datetime) -> list[Read]:
    """Read these, in this order, and do what follows, in the transaction of these papers.  Who asks has the members' turn."""
    readings = [Reading(papers, item, now) for item in unread]
    papers.look_for_answers([pair for reading in readings for pair in reading.asked])
    read = [reading.apply() for reading in readings]
    papers.write()
    return read


class Reading:
    """The reading of one reply within a transaction."""

    def __init__(self, papers: Papers, unread: Unread, now: datetime) -> None:
        self._papers = papers
        self._received = unread.received
        self._leaves_by = unread.partition
        self._now = now
        self._address, words = papers.wrote(unread.received.reply_id)
        self._words = understand(words)
        self._meant = self._which_appeal(self._words.prefix)
        self._acknowledgement: AnswerReply | None = None
        self._answers: list[tuple[Envelope, MemberAnswered]] = []

    @property
    def asked(self) -> list[tuple[str, int]]:
        """(appeal, member) whose answer so far this reply may change."""
        member = self._received.member_id
        return [] if member is None else [(appeal.appeal_id, member) for appeal in self._meant]

    def apply(self) -> Read:
        """Do all that follows."""
        received, meant, papers = self._received, self._meant, self._papers
        open_yes = received.member_id is not None and papers.open_yes(meant, received.member_id)
        intent = resolved(self._words, open_yes=open_yes).intent
        answer = received.answer or answer_of(self._words, open_yes=open_yes)
        desk: str | None = None
        if received.member_id is None:
            desk = self._from_nobody_known(intent)
        elif received.answer is None and intent is Intent.OPT_OUT:
            self._opt_out(received.member_id)
        elif answer is not None:
            desk = self._answer(received.member_id, answer)
        else:
            desk = self._ask_a_person(intent)
        understood = Understood(
            received.reply_id,
            intent=received.answer.value if received.answer is not None else intent.value,
            appeal_id=meant[0].appeal_id if len(meant) == 1 else None,
            desk=desk,
        )
        papers.understand(understood)
        told = ReplyRead(channel=received.channel, member_id=received.member_id, **asdict(understood))
        papers.tell(self._addressed(told, "read"))
        return Read(intent, self._acknowledgement, tuple(self._answers))

    # --- which appeal -------------------------------------------------------------------------------------------

    def _which_appeal(self, prefix: str | None) -> list[Candidate]:
        """The appeal that the reply means; several when it cannot be told, none when there is none."""
        received, papers = self._received, self._papers
        if received.appeal_id is not None:
            return papers.named(received.appeal_id)
        if received.slot:
            return papers.in_slot(received.slot)
        if received.member_id is None:
            return []
        asked = papers.asked(received.member_id)  # the letters A, B ... follow the order of launch
        if prefix is not None and ord(prefix) - ord("A") < len(asked):
            return [asked[ord(prefix) - ord("A")]]
        return asked

    # --- what follows -------------------------------------------------------------------------------------------

    def _answer(self, member: int, answer: Answer) -> str | None:
        if len(self._meant) != 1:
            self._acknowledge(wording.Kind.UNCLEAR, self._meant)
            return "which-appeal" if self._meant else "no-appeal"
        (appeal,) = self._meant
        self._keep_answer(member, appeal, answer)
        if answer is Answer.YES:
            self._acknowledge(_thanks(appeal), self._meant)
        else:
            self._acknowledge(wording.Kind.ACK_NO, self._meant)
        return None

    def _keep_answer(self, member: int, appeal: Candidate, answer: Answer) -> None:
        received = self._received
        self._papers.answer(Answered(appeal.appeal_id, member, answer, received.channel, self._now, received.reply_id))
        answered = MemberAnswered(
            appeal_id=appeal.appeal_id,
            member_id=member,
            answer=answer,
            channel=received.channel,
            reply_id=received.reply_id,
            told_closed=not appeal.open,
        )
        told = self._addressed(answered, "answered")
        self._papers.tell(told, also_to_responses(answered, told))
        self._answers.append((told.envelope, answered))

    def _opt_out(self, member: int) -> None:
        """Final and at once, of every purpose; a yes that was open is taken back with it."""
        with suppress(NotFound):  # erased since the words came: nothing is sent to them any more
            said = opt_outs.opt_out(self._papers.connection, member, at=self._now, source=self._received.channel)
            self._opted_out(said)
        for appeal in self._meant:
            if self._papers.open_yes([appeal], member):
                self._keep_answer(member, appeal, Answer.WITHDRAWN)
        self._acknowledge(wording.Kind.ACK_OPT_OUT, self._meant)

    def _opted_out(self, said: Sequence[Message]) -> None:
        self._papers.tell(*(self._addressed(message, f"opted-out/{n}") for n, message in enumerate(said)))

    def _from_nobody_known(self, intent: Intent) -> str:
        """An unknown or shared number: a person looks at it, but its opt-out holds at once, for the number."""
        connection, channel, address = self._papers.connection, self._received.channel, self._address
        if intent is Intent.OPT_OUT and address:
            self._opted_out(opt_outs.opt_out_address(connection, channel, address, at=self._now, source=channel))
            self._acknowledge(wording.Kind.ACK_OPT_OUT, [])
        else:
            self._acknowledge(wording.Kind.UNCLEAR, [])
        return "shared-number" if addresses.owners(connection, channel, address) else "unknown-number"

    def _ask_a_person(self, intent: Intent) -> str | None:
        if intent is Intent.EMPTY:
            return None
        self._acknowledge(wording.Kind.UNCLEAR, self._meant)
        return intent.value

    # --- acknowledgement ----------------------------------------------------------------------------------------

    def _acknowledge(self, kind: wording.Kind, meant: Sequence[Candidate]) -> None:
        """Every message is answered at once by the channel it came by; who called has been answered by the seat."""
        if self._received.channel not in WRITTEN:
            return
        appeal = meant[0] if len(meant) == 1 else None
        programme = appeal.spec.programme if appeal else None
        custom = _own_words(appeal, kind) if appeal else {}
        texts = wording.render_all(kind, programme, custom)
        order = AnswerReply(
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
        )
        self._papers.tell(replace(self._addressed(order, "ack"), partition=self._leaves_by))
        self._acknowledgement = order

    def _addressed(self, message: Message, name: str) -> Outgoing:
        return post(message, event_id=f"{self._received.reply_id}/{name}", source=SOURCE, time=self._now)


def _thanks(appeal: Candidate) -> wording.Kind:
    """What a yes is answered by."""
    if appeal.open:
        return wording.Kind.ACK_YES
    return wording.Kind.CLOSED if appeal.filled else wording.Kind.ENDED


def _own_words(appeal: Candidate, kind: wording.Kind) -> Mapping[Language, str]:
    texts = appeal.spec.texts
    return {wording.Kind.ACK_YES: texts.acknowledgement, wording.Kind.ENDED: texts.ended}.get(kind, {})
