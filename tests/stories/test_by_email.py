"""An appeal by e-mail: letters leave over a real mail server, an answer comes back, one click opts out."""

import smtplib
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.muster.house import NIGHT, House, members_csv, page
from tests.notifiers_email.conftest import SECRET, mail_server
from tests.servers.process import free_port

DOMAIN = "in.centre.test"
APPEAL = NIGHT % ", channel: email"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "home")
    house.settings |= {
        "MUSTER_EMAIL__SECRET": SECRET,
        "MUSTER_EMAIL__SENDER": "appeals@centre.test",
        "MUSTER_EMAIL__INBOUND_DOMAIN": DOMAIN,
        "MUSTER_EMAIL__PUBLIC_URL": "https://muster.centre.test",
        "MUSTER_EMAIL_INBOUND__DOMAIN": DOMAIN,
        "MUSTER_EMAIL_INBOUND__PORT": str(free_port()),
        "MUSTER_HTTP_PORT": str(free_port()),
    }
    table = members_csv(
        tmp_path / "members.csv",
        *({"email": f"{name}@members.test", "mobile": ""} for name in ("ann", "bo", "gone")),
    )
    assert house.ask("members", "import", str(table))["added"] == 3
    return house


def until(what: Callable[[], object]) -> object:
    """The first answer that is not empty; half a minute is more than it takes."""
    deadline = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def test_an_appeal_by_email_is_answered_and_left_by_one_click(house: House, tmp_path: Path):
    (tmp_path / "mail").mkdir()
    with mail_server(tmp_path / "mail") as server:
        house.settings["MUSTER_EMAIL__PORT"] = str(server.port)
        with house.working("up"):
            appeal = house.launch(APPEAL)
            until(lambda: len(server.recipients()) == 2)
            letters = {letter.to[0]: letter.message for letter in server.seen()}
            assert sorted(letters) == ["ann@members.test", "bo@members.test"]
            assert "AB" in letters["ann@members.test"].get_content()

            _answer(house, letters["ann@members.test"], "愿意\n\n> quoted\n")
            status = until(lambda: (found := house.ask("appeal", "status", appeal))["accepted"] and found)
            assert (status["accepted"], status["status"]) == (1, "open")
            until(lambda: len(server.seen()) == 3)
            thanks = server.seen()[2]
            assert thanks.to == ["ann@members.test"]
            assert "12351" in thanks.message.get_content()

            assert _one_click(house, letters["bo@members.test"]) == 200
            preview = tmp_path / "again.yaml"
            preview.write_text(APPEAL, encoding="utf-8")
            again = house.ask("appeal", "preview", str(preview))
            # The mail server knew no mailbox "gone", so nobody writes to it again.
            assert (again["matched"], again["excluded"]) == (1, {"opted_out": 1, "unreachable": 1})
            assert '"ok": true' in page(f"http://127.0.0.1:{house.settings['MUSTER_HTTP_PORT']}/health")


def _answer(house: House, letter: EmailMessage, words: str) -> None:
    """What a mail program does when somebody presses "answer"."""
    answer = EmailMessage()
    answer["From"], answer["To"] = letter["To"], letter["Reply-To"]
    answer["Subject"], answer["In-Reply-To"] = f"Re: {letter['Subject']}", letter["Message-ID"]
    answer["Message-ID"] = "<answer-1@members.test>"
    answer.set_content(words)
    with smtplib.SMTP("127.0.0.1", int(house.settings["MUSTER_EMAIL_INBOUND__PORT"])) as program:
        program.send_message(answer)


def _one_click(house: House, letter: EmailMessage) -> int:
    """What a mailbox provider does (RFC 8058), behind the proxy that brings the public address here."""
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = next(part.strip(" <>") for part in letter["List-Unsubscribe"].split(",") if "https:" in part)
    here = f"http://127.0.0.1:{house.settings['MUSTER_HTTP_PORT']}{urlsplit(link).path}"
    with urlopen(Request(here, data=b"List-Unsubscribe=One-Click", method="POST"), timeout=10) as answer:
        return int(answer.status)
