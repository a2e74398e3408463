"""Messages taken many at a time are read, answered and reported exactly as one by one."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.smsc import wire
from rehearsal.smsc.deliver import Notice, ReceiptForm, receipt, receipts
from rehearsal.smsc.runs import FEW, BrokenLength, decimal, hexadecimal, runs_of
from rehearsal.smsc.submission import LetterReader
from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import ACCESS, submit

NUMBERS = st.sampled_from(["17900000001", "8617900000002", "+8617900000003", "1790000000x", "86555", "17999999999"])
STRETCH = st.tuples(NUMBERS, st.sampled_from(["", "1", "22"]), st.integers(1, 3 * FEW))


def answer(sequence: int) -> bytes:
    return struct.pack(">IIIIB", 17, wire.DELIVER_SM_RESP, 0, sequence, 0)


@given(st.lists(STRETCH, min_size=1, max_size=6))
def test_columns_say_what_single_messages_say(stretches: list[tuple[str, str, int]]) -> None:
    pdus = [submit(number, text) for number, text, count in stretches for _ in range(count)]
    pdus = [pdu[:12] + struct.pack(">I", place) + pdu[16:] for place, pdu in enumerate(pdus)]
    chunk = b"".join(pdus)
    together, alone = (LetterReader(reference_tag=0x1500, access_number="") for _ in range(2))
    place = 0
    for run in runs_of(chunk):
        numbers, letters, plain = together.read(chunk, run.starts, run.ends)
        assert list(run.sequences) == list(range(place, place + len(numbers)))
        for number, letter, pdu in zip(numbers, letters, pdus[place:], strict=False):
            (expected,), (its,), _ = alone.read(pdu, [0], [len(pdu)])
            assert (number, letter.octets, letter.problem) == (expected, its.octets, its.problem)
        assert plain == all(letter.plain for letter in letters)
        place += len(numbers)
    assert place == len(pdus)


@given(st.lists(st.sampled_from([submit("17900000001"), submit("17900000001", "1"), answer(7)]), max_size=150))
def test_a_stream_falls_into_runs_of_one_kind_and_nothing_is_left_out(pdus: list[bytes]) -> None:
    chunk = b"".join(pdus) + b"\0\0"
    found = list(runs_of(chunk))
    assert [chunk[a:b] for run in found for a, b in zip(run.starts, run.ends, strict=True)] == pdus
    for run in found:
        assert {wire.HEADER.unpack_from(chunk, start)[1] for start in run.starts} == {run.command}


def test_what_comes_before_a_broken_length_is_still_read() -> None:
    good = submit() * (FEW + 1)
    runs = runs_of(good + struct.pack(">IIII", 15, 4, 0, 42) + good)
    assert len(next(runs).starts) == FEW + 1
    with pytest.raises(BrokenLength) as broken:
        next(runs)
    assert broken.value.sequence == 42


@given(st.lists(st.integers(0, 10**12 - 1), min_size=1))
def test_digits_are_those_of_the_number(numbers: list[int]) -> None:
    column = np.array(numbers, dtype=np.uint64)
    assert [row.tobytes() for row in decimal(column, 12)] == [b"%012d" % number for number in numbers]
    assert [row.tobytes() for row in hexadecimal(column, 12)] == [b"%012x" % number for number in numbers]


@pytest.mark.parametrize("decimal_id", [False, True])
@pytest.mark.parametrize("with_tlvs", [False, True])
def test_receipts_written_together_are_those_written_alone(decimal_id: bool, with_tlvs: bool) -> None:
    form = ReceiptForm(0x1500, with_tlvs, decimal_id)
    ids = np.array([1, 0xABCDEF, 9_900_000_001], dtype=np.uint64)
    numbers = np.array([17_900_000_001, 17_900_000_002, 17_999_999_999], dtype=np.uint64)
    common = Notice(1, 17_900_000_001, ACCESS, "mass/a-1/1", wire.STATE_DELIVERED, 1_764_000_000.0, 1_764_000_100.0)
    together = receipts(common, ids, numbers, form)
    for place, row in enumerate(together):
        its = replace(common, message=int(ids[place]), number=int(numbers[place]))
        assert row.tobytes() == wire.pdu(wire.DELIVER_SM, wire.ROK, 0, receipt(its, form))


async def test_a_full_chunk_is_answered_in_order_with_ids_that_count_up(start: Start) -> None:
    running = await start()
    client = await running.client()
    count = 10 * FEW
    client.write(b"".join(submit(f"179{n:08d}", sequence=1000 + n) for n in range(count)))
    answers = await client.read_many(count)
    assert [pdu.sequence for pdu in answers] == list(range(1000, 1000 + count))
    assert [int(pdu.body[:-1], 16) for pdu in answers] == list(range(1, count + 1))
    assert (await running.get("/counts"))["references"]["mass/a-0001/1"]["numbers"] == count
