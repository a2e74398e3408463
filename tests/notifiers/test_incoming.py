"""What members write, as it comes out of a deliver_sm."""

import asyncio
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.segments import encode_gsm7, part_header, segment
from notifiers.smpp.codec import Address, ShortMessage
from notifiers.smpp.incoming import PartOf, decode_words, member_address, slot_of, words_of
from notifiers.smpp.reassembly import GAP, Collection, Reassembly
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.timing import Timing
from notifiers.smpp.words import Tag

SETTINGS = SMSSettings()
ANN = "8617900000001"


def deliver(octets: bytes, *, esm_class: int = 0, coding: int = 0, tlvs=()) -> ShortMessage:
    return ShortMessage(
        source=Address(ANN.encode()),
        destination=Address(b"1069000007"),
        octets=octets,
        esm_class=esm_class,
        data_coding=coding,
        tlvs=tuple(tlvs),
    )


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"1", 0, "1"),
        (b"\x00\x1b\x65", 0, "@€"),
        (b"STOP", 1, "STOP"),
        (b"caf\xe9", 3, "café"),
        ("可以，晚上八点后".encode("utf-16-be"), 8, "可以，晚上八点后"),
        ("🩸".encode("utf-16-be"), 8, "🩸"),
        ("愿意".encode("gb18030"), 15, "愿意"),
        (b"\x10", 0xF0, "Δ"),
        ("愿意".encode("utf-16-be"), 0x18, "愿意"),
        (b"\x00", 8, "\ufffd"),
        (b"\xff\xfe", 4, "\ufffd\ufffd"),
        (b"\xff", 1, "\ufffd"),
    ],
)
def test_every_coding_becomes_text(octets, coding, text):
    assert decode_words(octets, coding, SETTINGS) == text


def test_the_default_alphabet_of_a_gateway_can_be_latin1():
    assert decode_words(b"@", 0, SMSSettings(default_alphabet="latin1")) == "@"
    assert decode_words(b"@", 0, SETTINGS) == "¡"


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_octets_can_be_read(octets, coding):
    assert isinstance(decode_words(octets, coding, SETTINGS), str)


@pytest.mark.parametrize("wide", [False, True])
def test_parts_are_known_by_their_header(wide):
    header = part_header(0x45, 3, 1, wide=wide)
    words = words_of(deliver(header + b"abc", esm_class=0x40))
    assert words.octets == b"abc"
    assert words.part == PartOf(0x45 + (0x10000 if wide else 0), 3, 1)


def test_other_elements_of_a_header_are_passed_over():
    # A port element (0x05) before the concatenation.
    header = bytes.fromhex("0b 05 04 0b84 0000 00 03 45 02 02")
    words = words_of(deliver(header + b"abc", esm_class=0x40))
    assert (words.octets, words.part) == (b"abc", PartOf(0x45, 2, 2))


@pytest.mark.parametrize("header", ["050003450001", "050003450203", "050003450200", "050003450101", "0500034502", "05"])
def test_a_header_that_makes_no_sense_is_ignored(header):
    words = words_of(deliver(bytes.fromhex(header) + b"abcdef", esm_class=0x40))
    assert words.part is None


def test_parts_are_known_by_their_parameters():
    tlvs = (
        (Tag.SAR_MSG_REF_NUM, b"\x12\x34"),
        (Tag.SAR_TOTAL_SEGMENTS, b"\x02"),
        (Tag.SAR_SEGMENT_SEQNUM, b"\x01"),
    )
    words = words_of(deliver(b"abc", tlvs=tlvs))
    assert (words.octets, words.part) == (b"abc", PartOf(0x21234, 2, 1))
    assert words_of(deliver(b"abc", tlvs=tlvs[:2])).part is None


def test_a_long_message_may_come_as_payload():
    words = words_of(deliver(b"", coding=8, tlvs=((Tag.MESSAGE_PAYLOAD, "长".encode("utf-16-be") * 200),)))
    assert decode_words(words.octets, words.data_coding, SETTINGS) == "长" * 200


@given(st.binary(max_size=254), st.integers(0, 255), st.binary(max_size=4))
def test_no_header_upsets_the_reader(octets, esm_class, value):
    tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    words = words_of(deliver(octets, esm_class=esm_class, tlvs=[(tag, value) for tag in tags]))
    assert words.part is None or 1 <= words.part.number <= words.part.total <= 255


@pytest.mark.parametrize(
    ("destination", "slot"),
    [
        ("1069000007", 7),
        ("1069000099", 99),
        ("+861069000007", 7),
        ("861069000007", 7),
        ("10690000", None),
        ("106900007", None),
        ("10690000007", None),
        ("10690000ab", None),
        ("1069111107", None),
        ("", None),
    ],
)
def test_the_slot_stands_behind_the_access_number(destination, slot):
    assert slot_of(destination, SETTINGS) == slot


def test_without_slots_there_is_none():
    assert slot_of("10690000", SMSSettings(slot_digits=0)) is None


@pytest.mark.parametrize(
    ("digits", "address"),
    [
        ("8617900000001", "+8617900000001"),
        ("+8617900000001", "+8617900000001"),
        ("17900000001", "+8617900000001"),
        ("10086", "10086"),
        ("", ""),
    ],
)
def test_members_are_addressed_as_in_the_registry(digits, address):
    assert member_address(digits) == address


class Clock:
    """Timers that go off when the test says so."""

    def __init__(self) -> None:
        self.timers: dict[int, Callable[[], object]] = {}
        self.count = 0

    def call_later(self, _seconds: float, call: Callable[[], object]):
        self.count += 1
        number = self.count
        self.timers[number] = call

        class Timer:
            def cancel(_, number: int = number) -> None:  # noqa: N805
                self.timers.pop(number, None)

        return Timer()

    def ring(self) -> None:
        for number in list(self.timers):
            self.timers.pop(number)()


def parts_of(text: str, reference: int = 1):
    cut = segment(text)
    total = len(cut.parts)
    for number, octets in enumerate(cut.parts, start=1):
        header = part_header(reference, total, number)
        words = words_of(deliver(header + octets, esm_class=0x40, coding=int(cut.alphabet)))
        assert words.part is not None
        yield words, words.part


def decode(octets: bytes, coding: int) -> str:
    return decode_words(octets, coding, SETTINGS)


@pytest.fixture
def overdue() -> list[Collection]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def reassembly(overdue, clock) -> Reassembly:
    return Reassembly(60, overdue.append, Timing(call_later=clock.call_later))


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_parts_may_come_in_any_order(reassembly, overdue, clock, order):
    text = "血" * 150
    parts = list(parts_of(text))
    for place in order[:-1]:
        assert not reassembly.add(ANN, "106", *parts[place]).complete
    collection = reassembly.add(ANN, "106", *parts[order[-1]])
    assert collection.complete
    assert collection.text(decode) == text
    collection.settle(stored=True)
    clock.ring()
    assert not clock.timers
    assert not overdue


async def test_a_part_that_comes_twice_counts_once(reassembly):
    first, second = parts_of("a" * 200)
    reassembly.add(ANN, "106", *first)
    assert not reassembly.add(ANN, "106", *first).complete
    assert reassembly.add(ANN, "106", *second).text(decode) == "a" * 200


async def test_a_character_cut_in_two_is_whole_again(reassembly):
    octets = "🩸".encode("utf-16-be")
    for number, piece in enumerate((octets[:2], octets[2:]), start=1):
        message = deliver(part_header(1, 2, number) + piece, esm_class=0x40, coding=8)
        words = words_of(message)
        assert words.part is not None
        collection = reassembly.add(ANN, "106", words, words.part)
    assert collection.text(decode) == "🩸"


async def test_parts_of_different_messages_are_kept_apart(reassembly):
    mine, yours, other = list(parts_of("m" * 200)), list(parts_of("y" * 200)), list(parts_of("o" * 200, reference=2))
    reassembly.add(ANN, "106", *mine[0])
    reassembly.add("8617900000002", "106", *yours[0])
    reassembly.add(ANN, "106", *other[0])
    reassembly.add(ANN, "107", *other[0])
    assert reassembly.add(ANN, "106", *mine[1]).text(decode) == "m" * 200
    assert reassembly.add("8617900000002", "106", *yours[1]).text(decode) == "y" * 200
    assert reassembly.add(ANN, "106", *other[1]).text(decode) == "o" * 200


async def test_a_part_that_never_comes_leaves_a_gap(reassembly, overdue, clock):
    parts = list(parts_of("a" * 153 + "b" * 153 + "c" * 153 + "d" * 153))
    assert len(parts) == 4
    reassembly.add(ANN, "106", *parts[0])
    reassembly.add(ANN, "106", *parts[3])
    clock.ring()
    assert [collection.text(decode) for collection in overdue] == ["a" * 153 + GAP + "d" * 153]
    assert not reassembly.add(ANN, "106", *parts[1]).complete


async def test_on_closing_everything_is_overdue(reassembly, overdue, clock):
    reassembly.add(ANN, "106", *next(parts_of("a" * 200)))
    reassembly.give_up()
    assert len(overdue) == 1
    assert not clock.timers


async def test_settling_begins_a_new_wait(reassembly):
    collection = reassembly.add(ANN, "106", *next(parts_of("a" * 200)))
    first = collection.committed
    collection.settle(stored=False)
    assert first.result() is False
    assert not collection.committed.done()
    assert isinstance(collection.committed, asyncio.Future)


async def test_what_is_stored_is_remembered_for_a_while(reassembly, overdue, clock):
    first, second = parts_of("a" * 200)
    other, _ = parts_of("b" * 200)
    reassembly.add(ANN, "106", *first)
    collection = reassembly.add(ANN, "106", *second)
    collection.settle(stored=True)
    assert reassembly.add(ANN, "106", *second) is collection
    # Other words under the same reference are another message.
    assert not reassembly.add(ANN, "106", *other).stored
    clock.ring()
    assert len(overdue) == 1
    assert not reassembly.add(ANN, "106", *second).stored


async def test_only_what_was_acknowledged_is_kept_when_the_whole_is_not_stored(reassembly):
    first, second = parts_of("a" * 200)
    collection = reassembly.add(ANN, "106", *first)
    collection.acknowledged.add(1)
    reassembly.add(ANN, "106", *second).settle(stored=False)
    assert list(collection.parts) == [1]


async def test_parts_in_different_codings_are_decoded_apart(reassembly):
    pieces = [(encode_gsm7("€"), 0), ("血".encode("utf-16-be"), 8)]
    for number, (piece, coding) in enumerate(pieces, start=1):
        words = words_of(deliver(part_header(1, 2, number) + piece, esm_class=0x40, coding=coding))
        assert words.part is not None
        collection = reassembly.add(ANN, "106", words, words.part)
    assert collection.text(decode) == "€血"
