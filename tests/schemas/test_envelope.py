"""The CloudEvents envelope in headers; the vectors are those of the specification's own rules."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from schemas.envelope import Envelope

HEADERS = {
    "content-type": b"application/json",
    "ce_specversion": b"1.0",
    "ce_id": b"a-0001:7:0",
    "ce_source": b"/muster/appeals",
    "ce_type": b"muster.tick",
    "ce_time": b"2011-11-24T12:00:00+00:00",
    "ce_subject": b"a-0001",
}
ENVELOPE = Envelope(
    id="a-0001:7:0",
    source="/muster/appeals",
    type="muster.tick",
    time=datetime(2011, 11, 24, 12, tzinfo=UTC),
    subject="a-0001",
)


def _read(**changes: bytes | None) -> Envelope:
    headers = HEADERS | changes
    return Envelope.from_headers([(name, value) for name, value in headers.items() if value != b"(absent)"])


def test_headers_of_binary_mode():
    assert dict(ENVELOPE.to_headers()) == HEADERS


def test_what_is_written_is_read_back():
    assert Envelope.from_headers(ENVELOPE.to_headers()) == ENVELOPE


def test_a_moment_in_beijing_is_the_same_moment():
    beijing = ENVELOPE.time.astimezone(timezone(timedelta(hours=8)))
    assert Envelope.from_headers(ENVELOPE.model_copy(update={"time": beijing}).to_headers()) == ENVELOPE


@pytest.mark.parametrize("time", [b"2011-11-24T12:00:00Z", b"2011-11-24T20:00:00+08:00", b"2011-11-24T12:00:00.000Z"])
def test_every_way_of_rfc_3339(time: bytes):
    assert _read(ce_time=time) == ENVELOPE


def test_a_subject_may_be_missing():
    assert _read(ce_subject=b"(absent)").subject is None


def test_headers_that_are_not_ours_are_left_alone():
    assert _read(ce_partitionkey=b"7", traceparent=b"\xff", ce_dataschema=b"\xff") == ENVELOPE


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ce_id": b"(absent)"}, "ce_id: missing"),
        ({"ce_source": b"(absent)"}, "ce_source: missing"),
        ({"ce_type": b"(absent)"}, "ce_type: missing"),
        ({"ce_specversion": b"(absent)"}, "ce_specversion: missing"),
        ({"ce_time": b"(absent)"}, "ce_time: missing"),
        ({"ce_id": b""}, "ce_id: string_too_short"),
        ({"ce_id": None}, "ce_id: string_too_short"),
        ({"ce_specversion": b"1"}, "ce_specversion: string_pattern_mismatch"),
        ({"ce_specversion": b"0.3"}, "ce_specversion: string_pattern_mismatch"),
        ({"ce_traceParent": b"00-1-2-01"}, "lower-case letters and digits"),
        ({"ce_trace_parent": b"00-1-2-01"}, "lower-case letters and digits"),
        ({"ce_time": b"2026-11-24 10:00"}, "ce_time: "),
        ({"ce_time": b"2026-11-24 10:00:00Z"}, "ce_time: "),
        ({"ce_time": b"2026-11-24T10:00:00"}, "ce_time: "),
        ({"ce_time": b"1764000000"}, "ce_time: "),
        ({"ce_time": b"2026-13-24T10:00:00Z"}, "ce_time: "),
        ({"ce_source": b"\xff"}, "ce_source: not UTF-8"),
        ({"ce_id": b"a\x00b"}, "ce_id: value_error"),
        ({"ce_subject": "a\x85b".encode()}, "ce_subject: value_error"),
    ],
    ids=str,
)
def test_what_is_no_cloud_event_is_named(changes: dict[str, bytes | None], named: str):
    with pytest.raises(ValueError, match=named):
        _read(**changes)


def test_an_id_alone_is_binary_mode_with_the_rest_missing():
    with pytest.raises(ValueError, match="ce_specversion: missing"):
        Envelope.from_headers([("content-type", b"application/json"), ("ce_id", b"1")])


def test_the_reason_never_quotes_the_value():
    with pytest.raises(ValueError, match="ce_type") as caught:
        _read(ce_type=b"17912345678" + b"\n")
    assert "179" not in str(caught.value)


def test_nothing_is_written_that_may_not_be_read():
    with pytest.raises(ValidationError):
        Envelope(id="a\nb", source="/muster", type="muster.tick", time=ENVELOPE.time)
    with pytest.raises(ValidationError):
        Envelope(id="\ud800", source="/muster", type="muster.tick", time=ENVELOPE.time)
