"""Bytes become messages or a reason; a reason never quotes them."""

import json

import pytest

from schemas.reader import CLASSES, Message, UnknownType, Unreadable, read, write
from tests.schemas.examples import APPEAL, EXAMPLES

CANARY = "张三17912345678"
TICK = {"type": "muster.tick", "appeal_id": APPEAL, "due": "2011-11-24T12:00:00Z"}


def test_there_is_an_example_of_every_type():
    assert [type(example) for example in EXAMPLES] == list(CLASSES.values())


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_what_is_written_is_read_back(message: Message):
    assert read(write(message)) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_a_field_added_by_a_newer_worker_does_no_harm(message: Message):
    body = json.loads(write(message)) | {"added_later": {"what": 1}}
    assert read(json.dumps(body).encode()) == message


def test_a_field_added_deeper_does_no_harm_either():
    message = next(example for example in EXAMPLES if example.type == "muster.send-batch")
    body = json.loads(write(message))
    body["draft"]["added_later"] = 1
    assert read(json.dumps(body).encode()) == message


@pytest.mark.parametrize("kind", ["muster.send-flowers", "muster.send-batch.v2", "muster.send-batch-2"])
def test_a_type_of_a_newer_version_is_told_apart(kind: str):
    with pytest.raises(UnknownType, match=f"^{kind}$"):
        read(json.dumps({"type": kind, "whatever": 1}).encode())


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b"{}",
        b'{"type": 3}',
        b'{"type": null}',
        b'{"type": "order.placed"}',
        f'{{"type": "muster.{CANARY}"}}'.encode(),
        b'{"type": "muster.tick"}',
        b'{"type": "muster.tick"',
        b"[" * 200_000,
        b'{"type": "muster.tick", "due": ' + b"[" * 200_000,
    ],
    ids=range(15),
)
def test_what_is_no_message_of_ours_is_unreadable(value: bytes | None):
    with pytest.raises(Unreadable):
        read(value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"due": "tomorrow"}, "muster.tick.due: datetime_from_date_parsing"),
        ({"due": "2011-11-24T12:00:00"}, "muster.tick.due: timezone_aware"),
        ({"due": None}, "muster.tick.due: datetime_type"),
        ({"appeal_id": CANARY}, "muster.tick.appeal_id: string_pattern_mismatch"),
    ],
)
def test_the_reason_names_the_field(changes: dict[str, object], reason: str):
    with pytest.raises(Unreadable) as caught:
        read(json.dumps(TICK | changes).encode())
    assert caught.value.reasons == [reason]


def _tainted() -> list[bytes]:
    launch = json.loads(write(next(example for example in EXAMPLES if example.type == "muster.launch-appeal")))
    wrong_key = json.loads(json.dumps(launch))
    wrong_key["spec"]["texts"]["mass"] = {CANARY: CANARY}
    wrong_deadline = json.loads(json.dumps(launch))
    wrong_deadline["spec"]["deadline"] = CANARY
    counted = json.loads(write(next(example for example in EXAMPLES if example.type == "muster.shard-counted")))
    counted["excluded"] = {CANARY: CANARY}
    bodies = [wrong_key, wrong_deadline, counted, TICK | {"due": CANARY}, {"type": CANARY}, [CANARY], CANARY]
    return [json.dumps(body, ensure_ascii=False).encode() for body in bodies] + [CANARY.encode()]


@pytest.mark.parametrize("value", _tainted(), ids=range(8))
def test_a_reason_never_quotes_the_input(value: bytes):
    with pytest.raises(Unreadable) as caught:
        read(value)
    shown = f"{caught.value} {caught.value.reasons!r} {caught.value.__cause__!r}"
    assert caught.value.reasons
    assert "张三" not in shown
    assert "179" not in shown
    assert caught.value.__suppress_context__  # a logged traceback would show pydantic's own text


def test_absent_values_are_left_out():
    answer = next(example for example in EXAMPLES if example.type == "muster.reply-received")
    body = json.loads(write(answer.model_copy(update={"member_id": None, "answer": None})))
    assert body.keys() == {"type", "reply_id", "channel", "slot", "appeal_id"}
