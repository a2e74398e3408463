"""What the witness can be asked: joined texts, doubled numbers, first and last."""

from itertools import permutations

import pytest

from rehearsal.smsc.record import Moment, Record
from rehearsal.smsc.submission import Letter, Part

PLAIN = Letter("1069", "mass/a-0001/1", octets=b"help")
OTHER = Letter("1069", "mass/a-0001/2", octets=b"help")
AT = Moment(real=100.0, appeal=5000.0)


def pieces(*texts: bytes, reference: int = 7) -> list[Letter]:
    return [
        Letter("1069", "mass/a-0001/1", octets=text, part=Part(reference, len(texts), place, "udh8"))
        for place, text in enumerate(texts, start=1)
    ]


def add(record: Record, number: int, *letters: Letter) -> None:
    for letter in letters:
        record.add([number], [letter], AT, plain=letter.part is None)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_parts_are_joined_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    record, parts = Record(), pieces(b"one ", b"two ", b"three")
    add(record, 1, *(parts[place] for place in order))
    assert [heard.saying.text for heard in record.heard_by(1)] == ["one two three"]
    tally = record.tallies()["mass/a-0001/1"]
    assert (tally.messages, tally.segments, tally.doubled) == (1, 3, {})


@pytest.mark.parametrize("order", sorted(set(permutations((0, 0, 1, 1)))))
def test_a_long_message_sent_twice_shows_as_two(order: tuple[int, ...]) -> None:
    record, parts = Record(), pieces(b"one ", b"two")
    add(record, 1, *(parts[place] for place in order))
    assert record.tallies()["mass/a-0001/1"].doubled == {1: 2}
    assert record.incomplete() == {}


def test_what_lacks_a_part_is_no_message_but_is_shown() -> None:
    record, parts = Record(), pieces(b"one", b"two", b"three")
    add(record, 1, parts[0], parts[2])
    add(record, 2, parts[0])
    assert record.heard_by(1) == []
    assert record.incomplete() == {"mass/a-0001/1": (2, 3)}
    assert record.segments == 3


def test_parts_of_different_people_and_references_do_not_mix() -> None:
    record = Record()
    add(record, 1, pieces(b"a", b"b", reference=1)[0], pieces(b"c", b"d", reference=2)[1])
    add(record, 2, pieces(b"a", b"b", reference=1)[1])
    assert record.tallies() == {}


def test_characters_that_were_cut_between_parts_are_whole_again() -> None:
    octets = "🩸".encode("utf-16-be")
    parts = [
        Letter("1069", "x", octets=half, coding=8, part=Part(1, 2, place, "sar"))
        for place, half in enumerate((octets[:2], octets[2:]), start=1)
    ]
    record = Record()
    add(record, 1, *parts)
    assert record.heard_by(1)[0].saying.text == "🩸"


def test_doubled_is_per_reference_and_however_far_apart() -> None:
    record = Record()
    record.add([3, 1, 2], [PLAIN] * 3, Moment(10.0, 0.0), plain=True)
    assert record.tallies()["mass/a-0001/1"].doubled == {}
    record.add([1, 4], [PLAIN, OTHER], Moment(20.5, 0.0), plain=True)
    record.add([4, 1, 1], [PLAIN] * 3, Moment(20.0, 0.0), plain=True)
    tallies = record.tallies()
    tally = tallies["mass/a-0001/1"]
    assert tally.doubled == {1: 4}
    assert tally.distinct.tolist() == [1, 2, 3, 4]
    assert (tally.messages, tally.first, tally.last) == (7, 10.0, 20.5)
    assert tallies["mass/a-0001/2"].doubled == {}


def test_fresh_messages_are_told_once_and_with_their_texts() -> None:
    record = Record()
    record.add([1, 2, 3], [PLAIN, OTHER, PLAIN], AT, plain=True)
    assert [(fresh.saying.reference, fresh.numbers.tolist()) for fresh in record.fresh()] == [
        ("mass/a-0001/1", [1, 3]),
        ("mass/a-0001/2", [2]),
    ]
    assert record.fresh() == []
