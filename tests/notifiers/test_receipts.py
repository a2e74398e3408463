"""Receipts in all the forms that gateways write."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.smpp.codec import Address, ShortMessage
from notifiers.smpp.receipts import is_receipt, read_receipt, read_receipt_text, same_id
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.words import Tag

BEIJING = timezone(timedelta(hours=8))
SETTINGS = SMSSettings()
START = "id:0123456789 sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 "
DELIVERED = START + "stat:DELIVRD err:000 text:Hello"


def deliver(text: str = "", *, esm_class: int = 0x04, tlvs: tuple[tuple[int, bytes], ...] = ()) -> ShortMessage:
    return ShortMessage(
        source=Address(b"8617900000001"),
        destination=Address(b"1069000007"),
        octets=text.encode("latin-1"),
        esm_class=esm_class,
        tlvs=tlvs,
    )


def test_a_delivered_message():
    receipt = read_receipt(deliver(DELIVERED), SETTINGS)
    assert receipt is not None
    assert (receipt.gateway_id, receipt.state, receipt.final, receipt.error) == ("0123456789", "DELIVRD", True, "000")
    assert receipt.address == "8617900000001"
    text = read_receipt_text(DELIVERED, BEIJING)
    assert text.submitted is not None
    assert text.done == receipt.done_at == datetime(2026, 11, 24, 2, 31, tzinfo=UTC)
    assert text.done - text.submitted == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("text", "state", "final", "error"),
    [
        (START + "stat:UNDELIV err:005 Text:", "UNDELIV", True, "005"),
        ("id:7 submit date:261124103015 done date:261124103120 stat:EXPIRED err:001", "EXPIRED", True, "001"),
        ("id:C0FFEE sub:001 dlvrd:000 stat:ACCEPTD err:000", "ACCEPTD", False, "000"),
        ("id:7 stat:ENROUTE", "ENROUTE", False, ""),
        ("id:7 stat:REJECTD err:88", "REJECTD", True, "88"),
        ("ID:7 STAT:delivered ERR:0", "DELIVRD", True, "0"),
        ("stat:MBBLACK id:7", "MBBLACK", True, ""),
        ("id:7 stat:UNKNOWN err: text:stat:DELIVRD id:8", "UNKNOWN", True, ""),
    ],
)
def test_what_vendors_write(text, state, final, error):
    receipt = read_receipt(deliver(text), SETTINGS)
    assert receipt is not None
    assert receipt.gateway_id in {"0123456789", "7", "C0FFEE"}
    assert (receipt.state, receipt.final, receipt.error) == (state, final, error)


def test_dates_with_seconds():
    receipt = read_receipt(deliver("id:7 done date:261124103120 stat:EXPIRED"), SETTINGS)
    assert receipt is not None
    assert receipt.done_at == datetime(2026, 11, 24, 10, 31, 20, tzinfo=BEIJING)


def test_parameters_go_before_the_text():
    tlvs = (
        (Tag.RECEIPTED_MESSAGE_ID, b"abc\0"),
        (Tag.MESSAGE_STATE, b"\x05"),
        (0x1500, b"mass/a-0001/1"),
    )
    receipt = read_receipt(deliver(DELIVERED, tlvs=tlvs), SETTINGS)
    assert receipt is not None
    assert (receipt.gateway_id, receipt.state, receipt.reference) == ("abc", "UNDELIV", "mass/a-0001/1")


def test_parameters_alone_are_enough():
    tlvs = ((Tag.RECEIPTED_MESSAGE_ID, b"abc"), (Tag.MESSAGE_STATE, b"\x02"))
    receipt = read_receipt(deliver(tlvs=tlvs), SETTINGS)
    assert receipt is not None
    assert (receipt.gateway_id, receipt.state, receipt.done_at) == ("abc", "DELIVRD", None)


def test_the_text_may_come_as_payload():
    receipt = read_receipt(deliver(tlvs=((Tag.MESSAGE_PAYLOAD, DELIVERED.encode()),)), SETTINGS)
    assert receipt is not None
    assert receipt.gateway_id == "0123456789"


@pytest.mark.parametrize("text", ["", "hello", "id: stat:DELIVRD", "id:7", "submit date:2611241030"])
def test_a_receipt_without_id_or_state_is_none(text):
    assert read_receipt(deliver(text), SETTINGS) is None


@pytest.mark.parametrize(
    ("esm_class", "expected"), [(0x00, False), (0x04, True), (0x44, True), (0x20, True), (0x08, False), (0x40, False)]
)
def test_only_the_type_of_the_message_makes_a_receipt(esm_class, expected):
    assert is_receipt(deliver(DELIVERED, esm_class=esm_class)) is expected


def test_an_intermediate_notification_is_not_final():
    receipt = read_receipt(deliver("id:7 stat:UNDELIV", esm_class=0x20), SETTINGS)
    assert receipt is not None
    assert not receipt.final


def test_hex_answers_and_decimal_receipts_meet():
    settings = SMSSettings(response_ids="hex", receipt_ids="decimal")
    receipt = read_receipt(deliver("id:0012648430 stat:DELIVRD"), settings)
    assert receipt is not None
    assert receipt.gateway_id == same_id("00C0FFEE", "hex") == "c0ffee"
    # The parameter repeats the answer and so has the answer's form.
    tlvs = ((Tag.RECEIPTED_MESSAGE_ID, b"00C0FFEE\0"),)
    by_parameter = read_receipt(deliver("id:0012648430 stat:DELIVRD", tlvs=tlvs), settings)
    assert by_parameter is not None
    assert by_parameter.gateway_id == "c0ffee"


def test_an_id_that_is_no_number_stays_as_it_is():
    assert same_id("m-17", "hex") == "m-17"
    assert same_id("00C0FFEE", "text") == "00C0FFEE"


@given(st.binary(max_size=254), st.lists(st.tuples(st.sampled_from(list(Tag)), st.binary(max_size=20)), max_size=4))
def test_no_receipt_upsets_the_reader(octets, tlvs):
    message = ShortMessage(
        source=Address(b"1"), destination=Address(b"2"), octets=octets, esm_class=0x04, tlvs=tuple(tlvs)
    )
    receipt = read_receipt(message, SETTINGS)
    assert receipt is None or (receipt.gateway_id and receipt.state)
