"""The listener over real sockets: what is answered with 250 has been committed, and nothing else is."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

import aiosmtplib
import pytest

from notifiers.email.inbound import Doors, EmailInbound
from notifiers.email.keys import MessageKeys
from notifiers.email.links import OptOutLinks, Subscription
from notifiers.email.settings import EmailInboundSettings
from notifiers.ports import Incoming, Receipt
from schemas.words import Channel, Purpose
from tests.notifiers_email.conftest import SECRET, yes

DOMAIN = "in.centre.test"
KEYS = MessageKeys(SECRET.encode(), DOMAIN)
LINKS = OptOutLinks(SECRET.encode())
NONCE = "abcdefghijklm"
OURS = KEYS.message_id("mass/a-2011/1", NONCE)


@dataclass
class Desk:
    """Remembers what came; may be told to fail or to take its time."""

    incoming: list[Incoming] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    opted_out: list[tuple] = field(default_factory=list)
    fails: bool = False
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def _commit(self) -> None:
        self.entered.set()
        if self.gate:
            await self.gate.wait()
        if self.fails:
            raise ConnectionError("the database is away, says ann@members.test")

    async def on_incoming(self, incoming: Incoming) -> None:
        await self._commit()
        self.incoming.append(incoming)

    async def on_receipt(self, receipt: Receipt) -> None:
        await self._commit()
        self.receipts.append(receipt)

    async def opt_out_member(self, member_id, purpose, channel, source) -> None:
        await self._commit()
        self.opted_out.append((member_id, purpose, channel, source))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def listening(desk, metrics):
    @asynccontextmanager
    async def listen(**changes) -> AsyncIterator[EmailInbound]:
        settings = EmailInboundSettings(**{"domain": DOMAIN, "port": 0, **changes})
        doors = Doors(desk.on_incoming, desk.on_receipt, desk)
        async with (
            asyncio.timeout(20),
            EmailInbound(settings, SECRET.encode(), doors, metrics) as inbound,
        ):
            yield inbound

    return listen


@pytest.fixture
def received(registry):
    return lambda what: registry.get_sample_value("muster_email_received_total", {"what": what})


async def deliver(port: int, raw: bytes | EmailMessage, *, to="reply+07@" + DOMAIN, sender="ann@members.test") -> str:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, local_hostname="mx.test") as client:
        recipients = [to] if isinstance(to, str) else to
        content = raw.as_bytes() if isinstance(raw, EmailMessage) else raw
        return (await client.sendmail(sender, recipients, content))[1]


def an_answer(text="1", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = headers.pop("author", "安 <Ann@Members.TEST>")
    message["Subject"] = headers.pop("subject", "Re: 急需AB型血小板")
    message["In-Reply-To"] = headers.pop("in_reply_to", OURS)
    message["Message-ID"] = headers.pop("message_id", "<1@members.test>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


async def test_an_answer_comes_back_to_its_appeal(listening, desk, received):
    async with listening() as inbound:
        reply = await deliver(inbound.port, an_answer("愿意\n\n在 2011-11-24 20:00:00，驰援 写道：\n> 请回复1"))

    assert reply.startswith("2.0.0")
    (incoming,) = desk.incoming
    assert (incoming.address, incoming.text) == ("Ann@members.test", "愿意")
    assert (incoming.key, incoming.slot) == ("a-2011", 7)
    assert len(incoming.gateway_id) == 32
    assert received("answer") == 1


async def test_a_letter_that_was_sent_can_be_answered(listening, desk, make_notifier, letter, server):
    async with make_notifier(server.port) as notifier:
        await notifier.send(letter, ["ann@members.test"], yes, members=[42])
    (seen,) = server.seen()
    async with listening() as inbound:
        answer = an_answer("2", in_reply_to=seen.message["Message-ID"])
        await deliver(inbound.port, answer, to=str(seen.message["Reply-To"]))
        mailto = seen.message["List-Unsubscribe"].rpartition("<mailto:")[2].rstrip(">")
        await deliver(inbound.port, an_answer(""), to=mailto)

    assert [(came.text, came.key, came.slot) for came in desk.incoming] == [("2", "a-2011", 7)]
    assert desk.opted_out == [(42, Purpose.BLOOD, Channel.EMAIL, "mailto")]


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, "a-2011"),
        ({"in_reply_to": OURS.upper()}, "a-2011"),
        ({"in_reply_to": "<other@x.test>", "References": f"<first@x.test> {OURS}"}, "a-2011"),
        ({"in_reply_to": "<other@x.test>",
          "References": f"{OURS} {KEYS.message_id('mass/a-2012/1', NONCE)}"}, "a-2012"),
        ({"in_reply_to": "<other@x.test>"}, None),
        ({"in_reply_to": OURS.replace("a-2011", "a-2012")}, None),
    ],
    ids=["In-Reply-To", "folded case", "References", "the latest of two", "another thread", "forged"],
)  # fmt: skip
async def test_the_key_is_taken_from_what_we_wrote_and_from_nothing_else(listening, desk, headers, key):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer(**headers))
    assert [came.key for came in desk.incoming] == [key]


async def test_250_comes_after_the_commit(listening, desk):
    desk.gate = asyncio.Event()
    async with listening() as inbound:
        delivering = asyncio.create_task(deliver(inbound.port, an_answer()))
        await desk.entered.wait()
        # Whatever the listener might have written by now has had every chance to arrive.
        await asyncio.sleep(0.05)
        assert not delivering.done()
        desk.gate.set()
        assert (await delivering).startswith("2.0.0")
    assert len(desk.incoming) == 1


async def test_what_could_not_be_stored_is_tried_again_by_its_sender(listening, desk, received):
    desk.fails = True
    async with listening() as inbound:
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await deliver(inbound.port, an_answer())
        assert refused.value.code == 451
        desk.fails = False
        await deliver(inbound.port, an_answer())
    assert len(desk.incoming) == 1
    assert (received("not-committed"), received("answer")) == (1, 1)


async def test_a_database_that_hangs_is_a_451_too(listening, desk):
    desk.gate = asyncio.Event()
    async with listening(commit_seconds=0.05) as inbound:
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await deliver(inbound.port, an_answer())
    assert refused.value.code == 451
    assert desk.incoming == []


async def test_the_same_message_twice_has_the_same_fingerprint(listening, desk):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer())
        await deliver(inbound.port, an_answer())
        await deliver(inbound.port, an_answer(message_id="<2@members.test>"))
        await deliver(inbound.port, an_answer(author="bo@members.test"))
    first, again, other, by_bo = (came.gateway_id for came in desk.incoming)
    assert first == again
    assert len({first, other, by_bo}) == 3


@pytest.mark.parametrize(
    ("subject", "text", "words"),
    [("1", "", "1"), ("退订", "\n", "退订"), ("Re: 急需", "", ""), ("回复：急需", "", ""), ("急需", "1", "1")],
)
async def test_a_subject_is_an_answer_only_where_the_person_wrote_it(listening, desk, subject, text, words):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer(text, subject=subject))
    assert [came.text for came in desk.incoming] == [words]


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Auto-Submitted": "auto-generated; x=y"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"X-Autoreply": "yes"},
        {"X-Autorespond": "holiday"},
        {"subject": "自动回复: 我在休假"},
        {"subject": "Automatic reply: away"},
    ],
    ids=str,
)
async def test_answering_machines_do_not_answer(listening, desk, received, headers):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer("我在休假，1月回来", **headers))
    assert desk.incoming == []
    assert received("auto-reply") == 1


async def test_a_person_may_say_that_no_machine_wrote_it(listening, desk):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer(Auto_Submitted="no"))
    assert len(desk.incoming) == 1


@pytest.mark.parametrize(
    "to",
    [
        "somebody@elsewhere.test",
        "postmaster@" + DOMAIN,
        "reply+777@" + DOMAIN,
        "b-aaaaaaaaaaaaa-aaaaaaaaaaaaa@" + DOMAIN,
    ],
)
async def test_it_is_no_relay(listening, desk, to):
    async with listening() as inbound:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            await deliver(inbound.port, an_answer(), to=to)
    assert refused.value.recipients[0].code == 550
    assert desk.incoming == []


async def test_a_token_that_nobody_wrote_opts_nobody_out(listening, desk, received):
    async with listening() as inbound:
        await deliver(inbound.port, an_answer(), to=f"stop+{'a' * 40}@{DOMAIN}")
    assert desk.opted_out == []
    assert received("forged") == 1


async def test_a_token_opts_out_whoever_wrote_the_message_and_however_its_case_was_folded(listening, desk):
    token = LINKS.token(Subscription(7, None))
    async with listening() as inbound:
        await deliver(inbound.port, an_answer("x", author="forwarded@else.test"), to=f"STOP+{token.upper()}@{DOMAIN}")
    assert desk.opted_out == [(7, None, Channel.EMAIL, "mailto")]
    assert desk.incoming == []


async def test_a_message_that_is_too_big_is_refused(listening, desk):
    async with listening(max_bytes=2048) as inbound:
        with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
            await deliver(inbound.port, an_answer("x" * 70 + "\n" + ("y" * 70 + "\n") * 60))
        assert refused.value.code == 552
        await deliver(inbound.port, an_answer())
    assert len(desk.incoming) == 1


async def test_lines_longer_than_the_rules_allow_are_read(listening, desk):
    raw = (
        b"From: ann@members.test\r\nSubject: Re: x\r\nContent-Type: text/html\r\n\r\n<p>1</p><!--"
        + b"x" * 9000
        + b"-->\r\n"
    )
    async with listening() as inbound:
        await deliver(inbound.port, raw)
    assert [came.text for came in desk.incoming] == ["1"]


async def test_more_connections_than_allowed_are_asked_to_come_again(listening):
    async with listening(connections=1) as inbound:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=inbound.port, start_tls=False):
            with pytest.raises(aiosmtplib.SMTPConnectResponseError) as refused:
                await deliver(inbound.port, an_answer())
            assert refused.value.code == 421
        # The listener learns of the goodbye before it answers it.
        await deliver(inbound.port, an_answer())


async def test_leaving_hangs_up_on_whoever_is_still_there(listening):
    async with listening() as inbound:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=inbound.port, start_tls=False)
        await client.connect()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.ehlo()


async def test_a_client_that_others_wrote_is_understood(listening, desk):
    """The standard library's client, in a thread of its own."""

    def speak(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("ann@members.test", ["reply@" + DOMAIN], an_answer("可以").as_bytes())

    async with listening() as inbound:
        await asyncio.to_thread(speak, inbound.port)
    assert [(came.text, came.slot) for came in desk.incoming] == [("可以", None)]
