"""The one reader: a record becomes a delivery, a dead letter or nothing at all, and no value gets into a reason."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from schemas.appeals import Tick
from schemas.reader import write
from streams.inbox import Delivery, Outcome, Raw, open_letter, raw_of
from tests.streams.contract import event
from tests.streams.feeding import Letters

TICK = Tick(appeal_id="a-20111124-0001", due=datetime(2011, 11, 24, 12, tzinfo=UTC))
HEADERS = event("t", "e1", key="a-20111124-0001").envelope.to_headers()


def record(value: bytes | None, headers: tuple[tuple[str, bytes], ...] = HEADERS) -> Raw:
    return Raw("appeals", 2, 41, b"k", value, headers)


async def test_a_record_becomes_a_message_with_its_envelope_and_its_place():
    letters = Letters()
    opened = await open_letter(record(write(TICK)), letters)
    assert isinstance(opened, Delivery)
    assert (opened.message, opened.envelope.id) == (TICK, "e1")
    assert (opened.topic, opened.partition, opened.offset) == ("appeals", 2, 41)
    assert letters.kept == []


async def test_a_field_of_a_newer_version_does_no_harm():
    body = json.loads(write(TICK)) | {"of_tomorrow": 1}
    opened = await open_letter(record(json.dumps(body).encode()), Letters())
    assert isinstance(opened, Delivery)


async def test_a_type_of_a_newer_version_is_passed_over():
    letters = Letters()
    assert await open_letter(record(b'{"type": "muster.of-tomorrow"}'), letters) is Outcome.PASSED_OVER
    assert letters.kept == []


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff\xfe", b"17912345678", b'{"type": "muster.tick", "due": "17912345678"}'],
    ids=["none", "empty", "no text", "no object", "wrong field"],
)
async def test_what_cannot_be_read_is_kept_with_a_reason_that_quotes_nothing(value: bytes | None):
    letters = Letters()
    assert await open_letter(record(value), letters) is Outcome.DEAD_LETTER
    ((offset, reason),) = letters.kept
    assert (offset, "17912345678" in reason) == (41, False)
    assert reason


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ((), "ce_specversion"),
        (tuple(pair for pair in HEADERS if pair[0] != "ce_id"), "ce_id"),
        (tuple(pair if pair[0] != "ce_time" else ("ce_time", b"17912345678") for pair in HEADERS), "ce_time"),
    ],
    ids=["no envelope", "no id", "no time"],
)
async def test_a_message_without_a_proper_envelope_is_kept_and_the_attribute_named(headers, named: str):
    letters = Letters()
    assert await open_letter(record(write(TICK), headers), letters) is Outcome.DEAD_LETTER
    ((_, reason),) = letters.kept
    assert named in reason
    assert "17912345678" not in reason


@pytest.mark.parametrize(
    ("headers", "expected"),
    [(None, ()), ({"a": b"1"}, (("a", b"1"),)), ([("a", b"1"), ("a", b"2")], (("a", b"1"), ("a", b"2")))],
    ids=["none", "mapping", "pairs"],
)
def test_a_faust_event_is_a_record_whatever_shape_its_headers_have(headers, expected):
    message = SimpleNamespace(topic="t", partition=1, offset=2, key=None, value=b"v", headers=headers)
    assert raw_of(SimpleNamespace(message=message)) == Raw("t", 1, 2, None, b"v", expected)
