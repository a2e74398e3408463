"""No personal data outside the database: canaries go through the whole system, and are then searched for everywhere.

Searched are every byte of every topic, every log line of every process and every page of metrics.
"""

import asyncio
import base64
import json
import re
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select

from registry.database import Database
from registry.metadata import METADATA
from registry.replies import REPLIES
from streams.inbox import Raw
from streams.publisher import open_publisher
from streams.tail import read_to_end
from tests.muster.house import NIGHT, House, members_csv, page
from tests.notifiers_email.conftest import SECRET, MailServer, mail_server
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.stories.canaries import found, log_bytes, log_lines
from tests.stories.centre import ON_SERVERS, Gateway, gateway, on_servers, until

DOMAIN = "in.centre.test"
ANN, BO, CAI, DAN, EVE, FAY, GIL, HU = range(1, 9)  # the members' ids: an import gives them in the order of its rows
STRANGER = "17987650099"
WORDS = {
    "unclear": "鹧鸪xylocanary unsure 也许行吧",
    "opt-out": "退订 quetzalcanary 谢谢",
    "yes": "愿意 marmotcanary 晚上八点后",
    "erased": "pangolincanary 我是AB型，上个月刚献过",
    "stranger": "narwhalcanary 你们是谁",
    "letter": "愿意\n\nkakapocanary 信\n",
}
BLOOD = re.compile(rb"(?<![A-Za-z0-9])AB(?![A-Za-z0-9])|blood_type|\xe8\xa1\x80\xe5\x9e\x8b|AB\xe5\x9e\x8b")


def mobile(member: int) -> str:
    return f"1798765000{member}"


def person(number: int, *, by_email: bool = False) -> dict[str, str]:
    gone = "gone-" if number == HU else ""  # the mail server knows no such mailbox
    mailbox = f"{gone}wombat{number}canary@members.test"
    name = f"耄耋canaryname{number}"
    card = {"card_number": f"BJ7654321{number}", "name": name}
    return card | ({"email": mailbox} if by_email else {"mobile": mobile(number)})


def canaries() -> dict[str, str]:
    """What must be seen nowhere.  Of the words what is canary in them, for "愿意" stands in our own texts."""
    known = {f"mobile {number}": mobile(number) for number in range(1, 8)} | {"mobile of nobody": STRANGER}
    known |= {f"card {number}": f"BJ7654321{number}" for number in range(1, 10)}
    known |= {"name": "canaryname", "Chinese name": "耄耋", "mailbox": "canary@members.test", "surname": "wombat"}
    known |= {"foreign": "foreignbird", "rejected": "rejectbird", "words in Chinese": "鹧鸪", "remark": "晚上八点后"}
    return known | {f"words: {kind}": re.search(r"[a-z]+canary", words)[0] for kind, words in WORDS.items()}


@dataclass(frozen=True)
class Centre:
    """A house at work, and who is outside it."""

    house: House
    phones: Gateway
    mail: MailServer
    folder: Path
    postgres: PostgresServer | None

    def metrics(self) -> dict[str, bytes]:
        """The pages of worker and console."""
        settings = self.house.settings
        ports = {"worker": settings["MUSTER_METRICS_PORT"], "console": settings["MUSTER_HTTP_PORT"]}
        return {f"metrics of {name}": page(f"http://127.0.0.1:{port}/metrics").encode() for name, port in ports.items()}

    def database(self) -> str:
        return self.house.settings.get("MUSTER_DATABASE", f"sqlite:///{self.house.home}/muster.db")

    def log(self) -> str:
        return self.house.settings.get("MUSTER_LOG", f"sqlite:///{self.house.home}/log.db")


@pytest.fixture(params=["embedded", ON_SERVERS])
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    house = House(tmp_path / "home")
    if request.param == "servers":
        on_servers(house, request)
    (tmp_path / "mail").mkdir()
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server(tmp_path / "mail"))
        house.settings |= {
            "MUSTER_EMAIL__SECRET": SECRET,
            "MUSTER_EMAIL__SENDER": "appeals@centre.test",
            "MUSTER_EMAIL__INBOUND_DOMAIN": DOMAIN,
            "MUSTER_EMAIL__PUBLIC_URL": "https://muster.centre.test",
            "MUSTER_EMAIL__PORT": str(mail.port),
            "MUSTER_EMAIL_INBOUND__DOMAIN": DOMAIN,
            "MUSTER_EMAIL_INBOUND__PORT": str(free_port()),
        }
        phones = stack.enter_context(gateway(house))
        stack.enter_context(console(house))
        stack.enter_context(house.working())
        servers = request.param == "servers"
        yield Centre(house, phones, mail, tmp_path, request.getfixturevalue("postgres_server") if servers else None)


@contextmanager
def console(house: House) -> Iterator[None]:
    port = free_port()
    house.settings["MUSTER_HTTP_PORT"] = str(port)
    with house.running("console", ready=lambda: page(f"http://127.0.0.1:{port}/health") != ""):
        yield


def test_personal_data_is_on_no_topic_in_no_log_line_and_in_no_metric(centre: Centre):
    appeals = live_a_night(centre)
    publish_what_nobody_can_read(centre)
    until(lambda: len(centre.house.ask("dead-letters", "list")["dead_letters"]) == 2)

    topics, logs, metrics = everything(centre)
    assert {"topic inbound", "topic appeals", "topic controls", "topic dead-letters"} <= topics.keys()
    assert all(appeal.encode() in topics["topic appeals"] for appeal in appeals)
    assert len(logs) == 3
    assert b"the worker is ready" in b"".join(logs.values())
    assert all(b"# HELP muster_" in content for content in metrics.values())

    wanted = canaries()
    assert found(wanted, logs | metrics) == []
    assert [place for place, content in (logs | metrics).items() if BLOOD.search(content)] == []
    # What others put on our log is kept as a dead letter; what we say about it quotes nothing.
    foreign = {"foreign": wanted.pop("foreign")}
    assert found(wanted, topics) == []
    assert {place for _, _, place in found(foreign, topics)} == {"topic inbound", "topic dead-letters"}
    letters = centre.house.ask("dead-letters", "list")["dead_letters"]
    assert found(foreign, {letter["id"]: letter["reason"].encode() for letter in letters}) == []

    plant(centre)
    topics, logs, metrics = everything(centre)
    assert {place for _, _, place in found(wanted, topics | logs)} == {"topic responses", "log planted.log"}


def live_a_night(centre: Centre) -> list[str]:
    """Everything that members and staff do; the appeals.  What is asserted here is that the canaries came through."""
    house, phones, mail = centre.house, centre.phones, centre.mail
    people = [person(number, by_email=number in (FAY, GIL, HU)) for number in range(1, 9)]
    bad = {"card_number": "BJ76543219", "mobile": "rejectbird"}
    imported = house.ask("members", "import", str(members_csv(centre.folder / "members.csv", *people, bad)))
    assert (imported["added"], imported["rejected"]) == (8, 1)

    by_sms, by_email = house.launch(NIGHT % ""), house.launch(NIGHT % ", channel: email")
    until(lambda: len(phones.reached(f"mass/{by_sms}/1")) == 5)
    until(lambda: len(mail.seen()) == 2)
    letters = {letter.to[0]: letter.message for letter in mail.seen()}

    phones.say(mobile(BO), WORDS["unclear"] * 9, slot=1)
    phones.say(mobile(ANN), WORDS["yes"], slot=1)
    phones.acknowledged(mobile(ANN))
    with trouble(centre):
        phones.say(mobile(CAI), WORDS["opt-out"], slot=1)
        phones.say(mobile(EVE), WORDS["erased"], slot=1)
        phones.say(STRANGER, WORDS["stranger"], slot=1)
    for number in (mobile(BO), mobile(CAI), mobile(EVE), STRANGER):
        phones.acknowledged(number)
    house.ask("answer", "record", "yes", "--mobile", mobile(DAN))
    answer_by_mail(house, letters[person(FAY, by_email=True)["email"]])
    one_click(house, letters[person(GIL, by_email=True)["email"]])
    until(lambda: len(mail.seen()) == 3)

    assert words_kept(centre) >= {*WORDS.values()} - {WORDS["unclear"], WORDS["letter"]}
    house.ask("members", "erase", str(EVE))
    assert found({"words": "pangolincanary", "mobile": mobile(EVE), "card": f"BJ7654321{EVE}"}, rows(centre)) == []
    house.ask("confirm", by_sms, str(ANN))
    until(lambda: phones.texts(mobile(DAN), "stand-down/"))
    house.ask("appeal", "stop", by_email, "--reason", "enough")
    until(lambda: len(mail.seen()) == 4)
    return [by_sms, by_email]


@contextmanager
def trouble(centre: Centre) -> Iterator[None]:
    """The links are cut, and the database is away where it is a server: what members say now has to wait."""
    centre.phones.drop()
    if centre.postgres is not None:
        centre.postgres.stop()
    yield
    if centre.postgres is not None:
        centre.postgres.start()


def answer_by_mail(house: House, letter: EmailMessage) -> None:
    answer = EmailMessage()
    answer["From"], answer["To"] = letter["To"], letter["Reply-To"]
    answer["Subject"], answer["In-Reply-To"] = f"Re: {letter['Subject']}", letter["Message-ID"]
    answer.set_content(WORDS["letter"])
    with smtplib.SMTP("127.0.0.1", int(house.settings["MUSTER_EMAIL_INBOUND__PORT"])) as program:
        program.send_message(answer)


def one_click(house: House, letter: EmailMessage) -> None:
    link = next(part.strip(" <>") for part in letter["List-Unsubscribe"].split(",") if "https:" in part)
    here = f"http://127.0.0.1:{house.settings['MUSTER_HTTP_PORT']}{urlsplit(link).path}"
    urlopen(Request(here, data=b"List-Unsubscribe=One-Click", method="POST"), timeout=10).close()


def words_kept(centre: Centre) -> set[str]:
    with Database(centre.database()) as database, database.snapshot() as connection:
        return set(connection.execute(select(REPLIES.c.words)).scalars())


def rows(centre: Centre) -> dict[str, bytes]:
    """The whole database, table by table."""
    with Database(centre.database()) as database, database.snapshot() as connection:
        return {name: repr(connection.execute(select(table)).all()).encode() for name, table in METADATA.tables.items()}


def publish_what_nobody_can_read(centre: Centre) -> None:
    """Half of a reply of ours, and something that others put on our log."""
    real = asyncio.run(_first(centre.log(), "inbound"))
    publisher = open_publisher(centre.log())
    try:
        publisher.republish(replace(real, value=(real.value or b"")[:-9]))
        publisher.republish(replace(real, value=b'{"type": "muster.reply-received", "name": "foreignbird"}'))
    finally:
        publisher.close()


async def _first(log_url: str, topic: str) -> Raw:
    records = [record async for record in read_to_end(log_url, topic)]
    return records[0]


def plant(centre: Centre) -> None:
    """Leaks of our own making, which the search must find."""
    leak = asyncio.run(_first(centre.log(), "responses"))
    publisher = open_publisher(centre.log())
    try:
        publisher.republish(replace(leak, headers=(("ce_subject", mobile(BO).encode()),)))
    finally:
        publisher.close()
    (centre.folder / "planted.log").write_text(json.dumps({"event": "读到 鹧鸪"}))


def everything(centre: Centre) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    return asyncio.run(log_bytes(centre.log())), log_lines(centre.folder), centre.metrics()


@pytest.mark.parametrize("canary", ["17987650001", "鹧鸪xylocanary", "wombat7canary@members.test"])
def test_a_canary_is_found_in_any_dress(canary: str):
    plain, wide = f"to {canary}!".encode(), canary.encode("utf-16-be")
    dresses = [
        plain, json.dumps({"to": canary}).encode(), wide, quote(f"/to/{canary}").encode(), plain.hex().upper().encode(),
        b"00" + wide.hex().encode(), *(base64.b64encode(plain[place:]) for place in range(3)),
    ]  # fmt: skip
    for dress in dresses:
        assert found({"it": canary}, {"here": b"before " + dress + b" after"})
    assert not found({"it": canary}, {"here": b"another one"})
