"""What is read and written as tables is what would be read and written one by one."""

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from notifiers.ports import Letter, Outcome, Outcomes, Receipt, State
from notifiers.smpp.codec import Address, ProtocolError, ShortMessage, pdu
from notifiers.smpp.flight import Flight, Flights, clean_run
from notifiers.smpp.incoming import member_address
from notifiers.smpp.receipt_tables import Bodies, ReceiptReader, receipt_run
from notifiers.smpp.receipts import is_receipt, is_receipt_body, read_receipt
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.template import Composer, compose
from notifiers.smpp.words import Command, Tag

SETTINGS = SMSSettings()
DEADLINE = datetime(2011, 11, 24, 20, tzinfo=UTC)
numbers = st.lists(st.integers(0, 99_999_999).map(lambda n: b"86179%08d" % n), min_size=1, max_size=40)


def letter(text: str = "急需血小板，回复1") -> Letter:
    return Letter(text=text, reference="mass/a-1/1", slot=7, not_after=DEADLINE)


@given(numbers, st.booleans(), st.integers(1, 2**31 - 100))
def test_a_letter_to_many_is_the_same_octets_whichever_way_it_is_rendered(digits, odd, first):
    template = compose(letter(), SETTINGS, concatenation=1, urgent=False)
    digits = [*digits, b"861"] if odd else digits
    everybody = range(len(digits))
    assert template.to(digits).render(everybody, first) == template.to(digits).render(list(everybody), first)


def test_a_letter_in_parts_gets_a_number_of_its_own_each_time_and_a_short_one_is_kept():
    composer = Composer(SETTINGS)
    long, short = letter("急" * 90), letter()
    assert composer.compose(short, concatenation=1, urgent=False) is composer.compose(
        short, concatenation=2, urgent=False
    )
    assert composer.compose(short, concatenation=1, urgent=True) is not composer.compose(
        short, concatenation=2, urgent=False
    )
    one, other = (composer.compose(long, concatenation=n, urgent=False) for n in (1, 2))
    assert one.to([b"861790000001"]).render(range(2), 1) != other.to([b"861790000001"]).render(range(2), 1)


def test_letters_in_all_languages_of_an_appeal_are_kept_but_not_for_ever():
    composer = Composer(SETTINGS)
    chinese, english = letter("急"), letter("Urgent")
    kept = [composer.compose(each, concatenation=1, urgent=False) for each in (chinese, english)]
    again = [composer.compose(each, concatenation=1, urgent=False) for each in (chinese, english)]
    assert [one is other for one, other in zip(kept, again, strict=True)] == [True, True]
    for number in range(16):
        composer.compose(letter(f"急 {number}"), concatenation=1, urgent=False)
    assert composer.compose(chinese, concatenation=1, urgent=False) is not kept[0]


NO_LETTER = SimpleNamespace(progress=None, spell=lambda bodies, count: [bodies.decode()] * count)
answers = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 0, 0, 0, 0x58]),  # status
        st.sampled_from([b"000000000001\0", b"000000000002\0", b"", b"x\0"]),  # body
        st.sampled_from([0, 0, 0, 0, 0, 1]),  # what comes between: a sequence number that is left out
    ),
    min_size=1,
    max_size=30,
)


@given(answers, st.integers(0, 5))
def test_a_run_of_answers_is_read_as_far_as_it_is_regular(given_answers, cut):
    flight = Flight(NO_LETTER, range(100), 10, 0.0)
    sequence, pieces, expected, regular = 10, [], [], True
    for status, body, gap in given_answers:
        sequence += gap
        pieces.append(pdu(Command.SUBMIT_SM_RESP, status, sequence, body))
        regular &= status == 0 and gap == 0 and len(body) == len(given_answers[0][1])
        if regular:
            expected.append(body)
        sequence += 1
    buffer = b"".join(pieces)[: len(b"".join(pieces)) - cut]
    whole = len(expected) if cut == 0 else min(len(expected), len(pieces) - 1)
    bodies, count = clean_run(buffer, 0, len(pieces[0]), 10 + given_answers[0][2], flight)
    assert bodies == b"".join(expected[:count])
    assert count in {0, whole}


def test_answers_find_their_flight_once():
    flights = Flights()
    early, late = Flight(NO_LETTER, range(3), 5, 0.0), Flight(NO_LETTER, [7, 8], 100, 0.0)
    flights.add(late)
    flights.add(early)
    assert [flights.find(n) for n in (4, 5, 7, 8, 100, 101, 102)] == [None, early, early, None, late, late, None]
    early.accepted_one(5, b"id\0")
    flights.answered(early, 1)
    assert flights.find(5) is None
    assert flights.unanswered == 4
    flights.remove(late)
    assert flights.unanswered == 2
    assert flights.clear() == [early]
    assert flights.unanswered == 0


def test_outcomes_in_columns_are_the_outcomes():
    outcomes = [
        Outcome(State.SENT, "a"),
        Outcome(State.REFUSED, status=11, bad_address=True),
        Outcome(State.HELD),
        Outcome(State.UNCERTAIN),
    ]
    columns = Outcomes.of(outcomes)
    assert columns == outcomes
    assert columns[-1] == outcomes[-1]
    assert columns[1:3] == outcomes[1:3]
    assert bytes(columns.states) == bytes([1, 2, 4, 3])


def _deliver(number: str, gateway_id: str, stat: str, tail: str, tlv: str, esm: int) -> bytes:
    named = {"same": ((Tag.RECEIPTED_MESSAGE_ID, gateway_id.encode() + b"\0"),), "none": ()}.get(
        tlv, ((Tag.RECEIPTED_MESSAGE_ID, b"0123456789ab\0"),)
    )
    return ShortMessage(
        source=Address(number.encode()),
        destination=Address(b"1069000007"),
        octets=f"id:{gateway_id} sub:001 stat:{stat} err:000{tail}".encode(),
        esm_class=esm,
        tlvs=(*named, (0x1500, b"mass/a-1/1")),
    ).encode()


ids = st.one_of(st.integers(0, 10**12 - 1).map(lambda n: f"{n:012d}"), st.text("0123456789abc", max_size=13))
receipts = st.builds(
    _deliver,
    st.one_of(st.integers(0, 99_999_999).map(lambda n: f"179{n:08d}"), st.sampled_from(["8617912345678", "12", "x1"])),
    ids,
    st.sampled_from(["DELIVRD", "DELIVRD", "UNDELIV", "ENROUTE", ""]),
    st.sampled_from(["", " text:id:000000000001"]),
    st.sampled_from(["same", "same", "other", "none"]),
    st.sampled_from([0x04, 0x04, 0x04, 0x20, 0x00]),
)


def _flat(bodies: list[bytes], settings: SMSSettings) -> Counter[Receipt]:
    return Counter(
        group.said._replace(gateway_id=gateway_id, address=address)
        for group in ReceiptReader(settings).read([Bodies.of(body) for body in bodies])
        for gateway_id, address in zip(group.gateway_ids, group.addresses, strict=True)
    )


@given(st.lists(receipts, max_size=40), st.sampled_from(["text", "hex", "decimal"]), st.sampled_from(["text", "hex"]))
def test_receipts_in_a_table_say_what_each_of_them_says(bodies, receipt_ids, response_ids):
    settings = SMSSettings(receipt_ids=receipt_ids, response_ids=response_ids)
    each = [read_receipt(ShortMessage.decode(body), settings) for body in bodies]
    expected = Counter(
        receipt._replace(address=member_address(receipt.address)) for receipt in each if receipt is not None
    )
    assert _flat(bodies, settings) == expected


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=4, max_size=8))
def test_what_is_no_receipt_at_all_upsets_nobody(bodies):
    ReceiptReader(SETTINGS).read([Bodies.of(body) for body in bodies])


@given(st.lists(receipts, min_size=1, max_size=30), st.integers(0, 3))
def test_a_run_of_receipts_holds_nothing_but_receipts(bodies, cut):
    pdus = [pdu(Command.DELIVER_SM, 0, n, body) for n, body in enumerate(bodies, start=1)]
    buffer = b"".join(pdus)
    buffer = buffer[: len(buffer) - cut]
    run = receipt_run(buffer, 0, len(pdus[0]))
    found = [] if run is None else run.bodies.each()
    assert run is None or run.sequences.tolist() == list(range(1, run.bodies.count + 1))
    assert found == bodies[: len(found)]
    assert all(is_receipt_body(body) for body in found)


@given(st.one_of(receipts, st.binary(max_size=80)))
def test_a_body_is_known_for_a_receipt_before_it_is_read(body):
    try:
        message = ShortMessage.decode(body)
    except ProtocolError:
        is_receipt_body(body)
    else:
        assert is_receipt_body(body) == is_receipt(message)
