"""What a submit_sm says, by exact content."""

from datetime import UTC, datetime
from math import inf

import pytest

from rehearsal.smsc.submission import Letter, LetterReader, Part
from tests.rehearsal.esme import ACCESS, PLEA, submit, tlv


def read(*pdus: bytes, access_number: str = "") -> tuple[list[int], list[Letter], bool]:
    chunk = b"".join(pdus)
    starts = [sum(map(len, pdus[:place])) for place in range(len(pdus))]
    reader = LetterReader(reference_tag=0x1500, access_number=access_number)
    numbers, letters, plain = reader.read(chunk, starts, [*starts[1:], len(chunk)])
    return list(numbers), list(letters), plain


def only(pdu: bytes, **settings: str) -> Letter:
    return read(pdu, **settings)[1][0]


def test_a_batch_is_one_letter() -> None:
    numbers, letters, plain = read(*(submit(f"179{n:08d}", sequence=n) for n in range(5)))
    assert numbers == [17900000000 + n for n in range(5)]
    assert all(letter is letters[0] for letter in letters)
    assert plain
    assert letters[0].sender == ACCESS
    assert letters[0].reference == "mass/a-0001/1"
    assert letters[0].octets.decode("utf-16-be") == PLEA


@pytest.mark.parametrize("written", ["17900000001", "8617900000001", "+8617900000001", "008617900000001"])
def test_one_person_however_the_number_is_written(written: str) -> None:
    assert read(submit(written))[0] == [17900000001]


@pytest.mark.parametrize("written", ["", "+", "1790000000x", "0" * 11, "9" * 16, "１７９"])
def test_what_is_no_number_is_a_bad_destination(written: str) -> None:
    numbers, letters, plain = read(submit(written))
    assert (numbers, letters[0].problem, plain) == ([0], 0x0B, False)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"text": b"\x05\0\x03\x45\x03\x01ab", "esm_class": 0x40}, Part(0x45, 3, 1, "udh8")),
        ({"text": b"\x06\x08\x04\x12\x34\x02\x02ab", "esm_class": 0x40}, Part(0x1234, 2, 2, "udh16")),
        ({"text": b"\x08\x24\x01\x01\0\x03\x45\x03\x01ab", "esm_class": 0x40}, Part(0x45, 3, 1, "udh8")),
        (
            {"text": b"ab", "extra": tlv(0x20C, b"\x12\x34") + tlv(0x20E, b"\x02") + tlv(0x20F, b"\x01")},
            Part(0x1234, 2, 1, "sar"),
        ),
        ({"text": b"\x05\0\x03\x45\x00\x00ab", "esm_class": 0x40}, None),
        ({"text": b"\x05\0\x03\x45\x02\x03ab", "esm_class": 0x40}, None),
        ({"text": b"\x05\0\x03\x45\x01\x01ab", "esm_class": 0x40}, None),
    ],
    ids=["8 bit", "16 bit", "after another element", "sar", "total 0", "beyond total", "part 1 of 1"],
)
def test_parts_are_recognised_and_contradictions_passed_over(settings: dict[str, object], part: Part | None) -> None:
    letter = only(submit(coding=0, **settings))  # type: ignore[arg-type]
    assert (letter.part, letter.octets, letter.problem) == (part, b"ab", 0)


def test_long_texts_may_come_in_a_payload() -> None:
    assert only(submit(text=b"", coding=0, extra=tlv(0x424, b"x" * 300))).octets == b"x" * 300


@pytest.mark.parametrize(
    ("pdu", "status"),
    [
        (submit()[:-1], 0xC0),
        (submit(reference="")[:-3], 0x01),
        (submit(reference="", extra=b"\x15"), 0xC0),
        (submit(text=b"\x05\0\x03", esm_class=0x40, coding=0), 0x01),
        (submit(validity=b"tomorrow"), 0x62),
        (submit(validity=b"261399183000032+"), 0x62),
    ],
    ids=["cut TLV", "cut text", "half a TLV", "header longer than text", "no time", "no such day"],
)
def test_a_malformed_message_names_what_is_wrong(pdu: bytes, status: int) -> None:
    letter = only(pdu)
    assert letter.problem == status
    assert not letter.plain


def test_only_the_accounts_own_addresses_may_send() -> None:
    assert only(submit(), access_number="1069012312").problem == 0
    assert only(submit(), access_number="1069555").problem == 0x0A


def test_validity_is_read_with_its_zone() -> None:
    until = datetime(2026, 11, 24, 10, 30, tzinfo=UTC).timestamp()
    assert only(submit(validity=b"261124183000032+")).valid_until == until
    assert only(submit(validity=b"261124073000012-")).valid_until == until
    assert only(submit()).valid_until == inf
