"""How texts are cut up: the gold vectors, and what must hold for every text."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.segments import (
    Alphabet,
    TextTooLong,
    alphabet_of,
    decode_gsm7,
    encode_gsm7,
    pack_septets,
    part_header,
    segment,
    unpack_septets,
)

VECTORS = Path(__file__).parents[1] / "vectors"
GSM = json.loads((VECTORS / "gsm0338.json").read_text("utf-8"))
SEGMENTATION = json.loads((VECTORS / "sms_segmentation.json").read_text("utf-8"))
PACKING = [
    *json.loads((VECTORS / "gsm7_packing.json").read_text("utf-8")),
    {"text": "hellohello", "packed_hex": "E8329BFD4697D9EC37"},
    {"text": "Hello", "packed_hex": "C8329BFD06"},
]
UDH = json.loads((VECTORS / "udh.json").read_text("utf-8"))
NAMES = {"gsm7": Alphabet.GSM7, "ucs2": Alphabet.UCS2}
ALPHABET = [*GSM["base"].values(), *GSM["extension"].values()]


def test_every_code_of_the_alphabet_is_the_gold_one():
    table = GSM["base"] | GSM["extension"]
    assert len(table) == 137
    for code, char in table.items():
        octets = bytes.fromhex(code[2:])
        assert encode_gsm7(char) == octets
        assert decode_gsm7(octets) == char


@pytest.mark.parametrize("vector", SEGMENTATION, ids=[vector["id"] for vector in SEGMENTATION])
def test_texts_are_cut_as_the_gold_vectors_say(vector):
    narrow, wide = segment(vector["text"]), segment(vector["text"], wide=True)
    assert narrow.alphabet is NAMES[vector["encoding"]]
    assert list(narrow.units) == vector["part_units_8bit_ref"]
    assert list(wide.units) == vector["part_units_16bit_ref"]
    assert (len(narrow.parts), len(wide.parts)) == (vector["segments"], vector["segments_16bit_ref"])
    if len(narrow.parts) == 1:
        assert sum(narrow.units) == vector["units"]


@pytest.mark.parametrize(
    ("text", "narrow", "wide"),
    [
        ("€" * 80, (160,), (160,)),
        ("a" * 152 + "€" + "b" * 10, (152, 12), (152, 12)),
        ("血" * 134, (67, 67), (66, 66, 2)),
        ("血" * 201, (67, 67, 67), (66, 66, 66, 3)),
        ("🩸" * 36, (66, 6), (66, 6)),
        ("血" * 66 + "🩸" + "血" * 10, (66, 12), (66, 12)),
    ],
)
def test_pairs_are_never_split(text, narrow, wide):
    assert segment(text).units == narrow
    assert segment(text, wide=True).units == wide


@pytest.mark.parametrize("text", ["`", "ç", "a\tb", "“", "–", "１", "【", "\x1b"])
def test_what_is_not_in_the_alphabet_needs_ucs2(text):
    assert alphabet_of(text) is Alphabet.UCS2


@given(st.text(max_size=400), st.booleans())
def test_the_parts_together_are_the_text(text, wide):
    cut = segment(text, wide=wide)
    whole = b"".join(cut.parts)
    if cut.alphabet is Alphabet.GSM7:
        assert decode_gsm7(whole) == text
        assert all(units == len(part) for units, part in zip(cut.units, cut.parts, strict=True))
    else:
        # A lone surrogate is no character; everything else comes back as it was.
        assert whole.decode("utf-16-be") == text.encode("utf-16-be", "replace").decode("utf-16-be")
        for part in cut.parts:
            part.decode("utf-16-be")


@given(st.text(alphabet=ALPHABET, max_size=400))
def test_no_part_ends_in_the_middle_of_an_escape(text):
    assert "\ufffd" not in "".join(decode_gsm7(part) for part in segment(text).parts)


@given(st.text(max_size=700), st.booleans())
def test_no_part_is_longer_than_a_message(text, wide):
    cut = segment(text, wide=wide)
    width = 1 if cut.alphabet is Alphabet.GSM7 else 2
    single, part = {1: (160, 152 if wide else 153), 2: (70, 66 if wide else 67)}[width]
    limit = single if len(cut.parts) == 1 else part
    assert all(units <= limit for units in cut.units)


def test_more_than_255_parts_are_refused():
    assert len(segment("血" * (67 * 255)).parts) == 255
    with pytest.raises(TextTooLong):
        segment("血" * (67 * 255 + 1))


@pytest.mark.parametrize("vector", PACKING, ids=[vector["packed_hex"] for vector in PACKING])
def test_septets_are_packed_as_the_gold_vectors_say(vector):
    codes = encode_gsm7(vector["text"])
    assert pack_septets(codes).hex().upper() == vector["packed_hex"]
    assert unpack_septets(bytes.fromhex(vector["packed_hex"]), len(codes)) == codes


@given(st.lists(st.integers(0, 127), max_size=200))
def test_packing_loses_nothing(codes):
    assert unpack_septets(pack_septets(bytes(codes)), len(codes)) == bytes(codes)


@pytest.mark.parametrize("vector", UDH, ids=[vector["udh_hex"] for vector in UDH])
def test_headers_are_the_gold_ones(vector):
    wide = vector["ref_bits"] == 16
    header = part_header(vector["ref"], vector["total"], vector["seq"], wide=wide)
    assert header.hex().upper() == vector["udh_hex"]


@pytest.mark.parametrize(("total", "number"), [(0, 0), (2, 0), (2, 3), (256, 1)])
def test_a_header_of_no_part_is_refused(total, number):
    with pytest.raises(ValueError, match="there is no part"):
        part_header(1, total, number)


@given(st.binary(max_size=300))
def test_any_octets_can_be_read_as_gsm7(octets):
    assert len(decode_gsm7(octets)) <= len(octets)
