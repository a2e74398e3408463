"""The replies agent: what a member said becomes an answer, an opt-out or work for a person, and is acknowledged."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from prometheus_client import Counter
from sqlalchemy import Connection

from agents.gather import Gather
from agents.papers import Candidate, Papers
from agents.routes import also_to_responses, post
from decisions import wording
from decisions.replies import answer_of, resolved, understand
from decisions.reply_words import Intent
from registry import addresses, opt_outs, outbox
from registry.database import Database
from registry.errors import NotFound
from registry.replies import Answered, Understood
from schemas.appeals import MemberAnswered
from schemas.dispatch import AnswerReply, Draft
from schemas.outgoing import Outgoing
from schemas.reader import Message
from schemas.replies import ReplyReceived
from schemas.words import WRITTEN, Answer, Language, MessageKind
from streams.inbox import Delivery

SOURCE = "/muster/replies"
_READER = "replies"
_ACK_STAYS = timedelta(hours=12)
_AT_ONCE = 64
READ = Counter("muster_replies_read_total", "Replies by what was understood", ["channel", "intent"])


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
        new = outbox.are_new(connection, _READER, [event_id for event_id, _ in received])
        papers = Papers(connection, [reply for _, reply in received], self._shards)
        readings = [
            Reading(papers, reply, self._now()) if is_new else None
            for is_new, (_, reply) in zip(new, received, strict=True)
        ]
        papers.look_for_answers([pair for reading in readings if reading for pair in reading.asked])
        intents = [None if reading is None else reading.apply() for reading in readings]
        papers.write()
        return intents


class Reading:
    """The reading of one reply within a transaction."""

    def __init__(self, papers: Papers, received: ReplyReceived, now: datetime) -> None:
        self._papers = papers
        self._received = received
        self._now = now
        stored = papers.stored.get(received.reply_id)
        self._address = stored.address if stored is not None else ""
        self._words = understand(stored.words if stored is not None else "")
        self._meant = self._which_appeal(self._words.prefix)

    @property
    def asked(self) -> list[tuple[str, int]]:
        """(appeal, member) whose answer so far this reply may change."""
        member = self._received.member_id
        return [] if member is None else [(appeal.appeal_id, member) for appeal in self._meant]

    def apply(self) -> Intent:
        """Do all that follows; how the reply was understood."""
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
        papers.understand(
            Understood(
                received.reply_id,
                intent=received.answer.value if received.answer is not None else intent.value,
                appeal_id=meant[0].appeal_id if len(meant) == 1 else None,
                desk=desk,
            )
        )
        return intent

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
        self._papers.tell(self._addressed(order, "ack"))

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
