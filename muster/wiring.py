"""The one place where everything is put together: settings in, a running worker out."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from prometheus_client import REGISTRY, Gauge

from agents.appeals import DecideAppeal
from agents.audience import AnswerScans, Audience
from agents.dispatch.entries import Entries
from agents.dispatch.express import TOPIC, Express
from agents.dispatch.gate import Gate
from agents.dispatch.lane import Dispatch, Lane
from agents.dispatch.leases import Leases
from agents.dispatch.selected import Selected
from agents.inbound import Inbound, OptOutsByLink
from agents.keeping import Keeper
from agents.precedence import Precedence
from agents.relay import Relay
from agents.replies import ReadReply
from agents.ticker import Ticker
from agents.tracking import Track
from muster.clock import AppealClock
from muster.email import open_email
from muster.joining import join_beside
from muster.preview_door import PreviewDoor, answering_previews
from muster.settings import Settings
from muster.site import open_site
from notifiers.ports import Notifier
from notifiers.sms import SMSMetrics, SMSNotifier
from registry.audience.snapshots import Snapshots
from registry.database import Database
from registry.journal import Journals
from registry.leases import end_all
from registry.ledger_copy import LedgerCopy
from registry.locks import one_at_a_time
from schemas.reader import Message
from schemas.words import Channel
from streams.app import create_app
from streams.dead_letters import Keep
from streams.embedded.transport import ensure_no_worker
from streams.ours import follow_ours
from streams.publisher import Publisher, open_publisher
from streams.reactions import attach
from streams.setup import create_topics, ensure_session
from streams.tail import Tail
from streams.topics import topics
from streams.url import EmbeddedLog, parse
from streams.worker import run

LOG = structlog.get_logger("muster.worker")
READY = Gauge("muster_worker_ready", "1 once the worker has taken up its work")
_MAIN = "muster"  # the app of everything but bulk dispatch
_BULK = "dispatch-bulk"  # its topic
_AT_ONCE = 64  # inputs that may share a commit


@dataclass(frozen=True, slots=True)
class Parts:
    """What the worker is made of."""

    settings: Settings
    clock: AppealClock
    database: Database
    publisher: Publisher
    owner: str
    scratch: Path  # Faust wants a folder; no table of ours lies in it
    copy: LedgerCopy


async def work(settings: Settings, *, with_site: bool = False) -> None:
    """Run a worker, and the web pages beside it, until it is told to stop.

    Raises `WorkerBroken` when it has a bug, `WorkerRunning` or `ShortSession` when it may not, `PortTaken` when it cannot
    listen.
    """
    async with AsyncExitStack() as stack:
        database = stack.enter_context(Database(settings.database))
        create_topics(settings.log, topics(settings.shards))
        ensure_session(settings.log, settings.session_seconds)
        _ensure_alone(settings, database)
        publisher = open_publisher(settings.log)
        stack.callback(publisher.close)
        clock = AppealClock(settings.clock.start, settings.clock.speed)
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="muster-worker-")))
        owner = f"worker-{uuid.uuid4().hex[:12]}"
        copy = stack.enter_context(LedgerCopy(settings.ledger_copy, owner))
        parts = Parts(settings, clock, database, publisher, owner, scratch, copy)
        gate = Gate()
        audience = Audience(database, settings.shards, keeper=_keeper(settings, database, clock))
        notifiers: dict[Channel, Notifier] = {}
        leases = Leases(database, parts.owner, seconds=settings.dispatch.lease_seconds)
        journals = _journals(settings, owner)
        stack.callback(journals.close)
        precedence = Precedence()
        shared = Dispatch(
            database,
            notifiers,
            gate,
            leases,
            Selected(database, parts.copy),
            lambda: uuid.uuid4().hex,
            Entries(database, clock.now, parts.copy, audience.contacts(), journals, precedence),
        )
        lanes = (Lane("urgent", shared, urgent=True), Lane("bulk", shared, urgent=False))
        express = Express(lanes[0])
        track = Track(database, reader="track-appeals")
        notifiers |= await _open_channels(parts, express, track, precedence, stack)
        apps = _attach(parts, shared, audience, track, express, lanes[1])
        relay = Relay(database, publisher, partial(one_at_a_time, database, "relay"))
        database.after_notice = relay.nudge
        services = (
            relay.run,
            Ticker(database, clock.now).run,
            partial(join_beside, settings),
            leases.run,
            partial(_listen, settings.log, gate),
            audience.follow,
        )
        if with_site and settings.email is not None and settings.http_port:
            await stack.enter_async_context(open_site(settings, settings.email, database, clock.now))
        await audience.load_all()
        await stack.enter_async_context(
            answering_previews(PreviewDoor(settings, database, audience, clock.now), settings)
        )
        await run(apps, services, ready=partial(_say_ready, parts.owner), finish=partial(_finish, gate, lanes))


def _ensure_alone(settings: Settings, database: Database) -> None:
    """A second worker on the embedded log is refused before it disturbs the gateway.  Raises `WorkerRunning`.

    And where there is no other worker, whoever left leases behind is dead: sending goes on without waiting for their end.
    """
    log = parse(settings.log)
    if isinstance(log, EmbeddedLog):
        ensure_no_worker(log.path, _MAIN)
        with database.transaction() as connection:
            end_all(connection)


def _keeper(settings: Settings, database: Database, clock: AppealClock) -> Keeper | None:
    if settings.members_folder is None:
        return None
    snapshots = Snapshots(settings.members_folder, settings.shards)
    return Keeper(database, snapshots, now=clock.now, new_id=lambda: uuid.uuid4().hex)


def _journals(settings: Settings, owner: str) -> Journals:
    """The copy of the ledger knows claims alone: with one they are no longer than the window, and no journal is kept."""
    journals = Journals(None if settings.ledger_copy else settings.journals_folder, owner=owner)
    journals.tidy(time.time())
    return journals


async def _finish(gate: Gate, lanes: Sequence[Lane]) -> None:
    """Nothing more is claimed, and what is claimed gets its record: a stop in good order makes nobody uncertain."""
    gate.closed = True
    await asyncio.gather(*(lane.finish() for lane in lanes))


def _say_ready(owner: str) -> None:
    """`owner` is how leases and claims name this worker."""
    LOG.info("the worker is ready", owner=owner)
    READY.set(1)  # last: who waits for it may then read the line


def _attach(
    parts: Parts, shared: Dispatch, audience: Audience, track: Track, urgent: Express, mass: Lane
) -> list[object]:
    """The reactions, each on its topic.  Bulk dispatch has an app of its own: a long backlog holds nobody else up."""
    settings, database, now = parts.settings, parts.database, parts.clock.now
    open_app = partial(
        create_app,
        log_url=settings.log,
        datadir=parts.scratch,
        partitions=settings.shards,
        session_seconds=settings.session_seconds,
    )
    main, bulk = open_app(_MAIN), open_app("muster-bulk")
    letters = Keep(parts.publisher, now)
    attach(
        main,
        "appeals",
        name="decide-appeals",
        reaction=DecideAppeal(database, on_stop=shared.gate.hear),
        dead_letters=letters,
        concurrency=_AT_ONCE,
    )
    attach(
        main,
        "audience-scans",
        name="answer-scans",
        reaction=AnswerScans(database, audience, now=now, copy=parts.copy),
        dead_letters=letters,
    )
    attach(
        main,
        "inbound",
        name="read-replies",
        reaction=ReadReply(database, shards=settings.shards, now=now, on_answer=track.go_ahead),
        dead_letters=letters,
        concurrency=_AT_ONCE,
    )
    for topic, tracking in (("appeals", track), ("deliveries", Track(database, reader="track-deliveries"))):
        attach(
            main,
            topic,
            name=f"track-{topic}",
            reaction=tracking,
            dead_letters=letters,
            concurrency=_AT_ONCE,
        )
    attach(
        main,
        TOPIC,
        name="send-urgent",
        reaction=urgent,
        dead_letters=letters,
        concurrency=_AT_ONCE,
    )
    follow_ours(main, TOPIC, urgent.follow)
    attach(
        bulk,
        _BULK,
        name="send-bulk",
        reaction=mass,
        dead_letters=letters,
        concurrency=settings.dispatch.concurrency,
    )
    follow_ours(bulk, _BULK, lambda ours: mass.keep({f"{_BULK}/{partition}" for partition in ours}))
    return [main, bulk]


async def _open_channels(
    parts: Parts, express: Express, track: Track, precedence: Precedence, stack: AsyncExitStack
) -> dict[Channel, Notifier]:
    """Connect the channels that are set up; each brings its incoming messages to the inbound door."""

    def door(channel: Channel) -> Inbound:
        return Inbound(
            parts.database,
            channel,
            shards=parts.settings.shards,
            now=parts.clock.now,
            new_id=_new_id,
            shortcut=express,
            on_answer=track.go_ahead,
        )

    texts = door(Channel.SMS)
    metrics = SMSMetrics(REGISTRY)
    sms = SMSNotifier(
        parts.settings.sms,
        metrics,
        on_incoming=precedence.served(texts.on_incoming),
        on_receipts=texts.on_receipts,
    )
    await stack.enter_async_context(sms)
    notifiers: dict[Channel, Notifier] = {Channel.SMS: sms}
    if parts.settings.email is not None:
        opt_outs = OptOutsByLink(parts.database, now=parts.clock.now, new_id=_new_id)
        mail = door(Channel.EMAIL)
        notifiers[Channel.EMAIL] = await open_email(parts.settings, parts.settings.email, mail, opt_outs, stack)
    return notifiers


def _new_id() -> str:
    return uuid.uuid4().hex[:16]


async def _listen(log_url: str, gate: Gate) -> None:
    """Hear the controls outside any group, from the beginning: nothing is claimed before their end has been read."""
    tail = Tail(log_url, "controls")

    async def messages() -> AsyncIterator[Message]:
        async for heard in tail.messages():
            yield heard.message

    async def tell() -> None:
        await tail.caught_up.wait()
        gate.heard_all.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        group.create_task(gate.listen(messages()))
