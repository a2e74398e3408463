"""Reports about letters: in the forms that mail servers really write, and in forms that prove nothing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.email.mail import read_mail
from notifiers.ports import Receipt
from tests.notifiers_email.test_inbound import (  # noqa: F401 - fixtures
    DOMAIN,
    KEYS,
    NONCE,
    OURS,
    an_answer,
    deliver,
    desk,
    listening,
    received,
)

BACK = KEYS.return_address(NONCE)

POSTFIX = f"""\
Return-Path: <>
Date: Thu, 24 Nov 2011 20:01:00 +0800
From: MAILER-DAEMON@mx.members.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {BACK}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.members.test
X-Postfix-Queue-ID: 4F2A11
Arrival-Date: Thu, 24 Nov 2011 20:00:59 +0800

Final-Recipient: rfc822; ann@members.test
Original-Recipient: rfc822;ann@members.test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ann@members.test>: unknown
Last-Attempt-Date: Thu, 24 Nov 2011 20:01:00 +0800

--B
Content-Type: text/rfc822-headers

From: appeals@centre.test
To: ann@members.test
Message-ID: {OURS}
Subject: x

--B--
"""

FAILED = Receipt(
    NONCE,
    "UNDELIV",
    final=True,
    error="5.1.1",
    address="ann@members.test",
    reference="mass/a-2011/1",
    done_at=datetime(2011, 11, 24, 12, 1, tzinfo=UTC),
)


def read(raw: str, returned_to: str | None = None) -> tuple[Receipt, ...]:
    return read_mail(raw.encode(), "", returned_to, KEYS).receipts


def with_fields(raw: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in raw
        raw = raw.replace(old, new)
    return raw


@pytest.mark.parametrize("returned_to", [NONCE, None], ids=["by its address", "by the headers it returns"])
def test_a_report_names_its_letter(returned_to):
    assert read(POSTFIX, returned_to) == (FAILED,)


def test_a_report_that_returns_the_whole_letter_is_read_too():
    whole = with_fields(POSTFIX, ("text/rfc822-headers", "message/rfc822"))
    assert read(whole) == (FAILED,)


@pytest.mark.parametrize(
    ("action", "status", "state", "final"),
    [
        ("failed", "5.2.2", "UNDELIV", True),
        ("Failed", "5.2.2", "UNDELIV", True),
        ("failed", "4.4.7", "EXPIRED", True),
        ("failed", "5.4.7", "EXPIRED", True),
        ("delayed", "4.4.7", "ENROUTE", False),
        ("delivered", "2.0.0", "DELIVRD", True),
        ("relayed", "2.0.0", "ACCEPTD", False),
        ("expanded", "2.0.0", "ACCEPTD", False),
        ("danced", "2.0.0", "UNKNOWN", False),
    ],
)
def test_each_action_has_a_state(action, status, state, final):
    (receipt,) = read(
        with_fields(POSTFIX, ("Action: failed", f"Action: {action}"), ("Status: 5.1.1", f"Status: {status}"))
    )
    assert (receipt.state, receipt.final, receipt.error) == (state, final, status)


def test_without_a_date_the_moment_is_not_known():
    (receipt,) = read(with_fields(POSTFIX, ("Last-Attempt-Date: Thu, 24 Nov 2011 20:01:00 +0800\n", "")))
    assert receipt.done_at is None


def test_a_note_in_plain_words_counts_when_it_came_to_the_letters_address():
    note = "From: PostMaster@qq.test\nContent-Type: text/plain; charset=utf-8\n\n无法发送到 x，550 5.1.1 不存在"
    assert read(note, NONCE) == (
        Receipt(NONCE, "UNDELIV", final=True, error="5.1.1", address="", reference="", done_at=None),
    )
    assert read(note) == ()


@pytest.mark.parametrize(
    "text",
    ["在休假，5.1.1 也不在", "version 15.1.1 of 5.1.1.9"],
    ids=["an answering machine", "a number that is none"],
)
def test_other_notes_to_the_letters_address_fail_nothing(text):
    head = "Auto-Submitted: auto-replied\n" if "休假" in text else ""
    assert read(f"From: a@b.test\n{head}Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{text}", NONCE) == ()


@pytest.mark.parametrize(
    "message_id",
    ["<other@x.test>", OURS.replace("a-2011", "a-2012"), OURS.replace(NONCE, "mlkjihgfedcba")],
)
def test_a_report_about_a_letter_that_we_never_wrote_is_worth_nothing(message_id):
    assert read(with_fields(POSTFIX, (OURS, message_id))) == ()


async def test_a_bounce_is_taken_after_its_commit(listening, desk, received):  # noqa: F811
    async with listening() as inbound:
        await deliver(inbound.port, POSTFIX.encode(), to=BACK, sender="")
    assert desk.receipts == [FAILED]
    assert desk.incoming == []
    assert received("bounce") == 1


async def test_a_stray_bounce_is_taken_and_counted(listening, desk, received):  # noqa: F811
    stray = with_fields(POSTFIX, (OURS, "<other@x.test>"), ("Auto-Submitted: auto-replied\n", ""))
    async with listening() as inbound:
        await deliver(inbound.port, stray.encode(), sender="")
    assert desk.receipts == desk.incoming == []
    assert received("stray-bounce") == 1


async def test_a_holiday_notice_to_the_return_address_fails_no_member(listening, desk, received):  # noqa: F811
    notice = an_answer("我在休假", Auto_Submitted="auto-replied")
    async with listening() as inbound:
        await deliver(inbound.port, notice, to=BACK, sender="")
    assert desk.receipts == desk.incoming == []
    assert received("auto-reply") == 1


@given(st.binary(max_size=400))
def test_no_message_breaks_the_reader(raw):
    mail = read_mail(raw, "", None, KEYS)
    assert mail.receipts == ()
    assert mail.answers_to is None


PIECES = st.sampled_from(
    [
        b"From: ",
        b"=?gb2312?B?",
        b"?=",
        b"\xd6\xd0",
        b"\x00",
        b"<",
        b">",
        b"\n",
        b"\n\n",
        b"Content-Type: multipart/report; boundary=B\n",
        b"--B\n",
        b"--B--\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/rfc822\n",
        b'Content-Type: text/html; charset="unterminated\n',
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: x-uuencode\n",
        b"charset*=x''%ff",
        b"Action: failed\n",
        b"Status: \n",
        b"Final-Recipient: ;;;\n",
        b"Last-Attempt-Date: 99 Foo 99999\n",
        b"Message-ID: ",
        b"In-Reply-To: ",
        OURS.encode(),
        b"<!DOCTYPE [<!",
        b"<![CDATA[",
        b"&#xffffffff;",
    ]
)


@given(st.lists(PIECES, max_size=25).map(b"".join), st.sampled_from([None, NONCE]))
def test_no_mixture_of_what_messages_are_made_of_breaks_the_reader(raw, returned_to):
    mail = read_mail(raw, "a@b.test", returned_to, KEYS)
    assert all(receipt.gateway_id == NONCE for receipt in mail.receipts)


def test_our_domain_is_part_of_the_return_address():
    assert BACK.endswith("@" + DOMAIN)
