"""What may be asked of the witness over HTTP, and the few things a rehearsal may do to the network."""

from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from rehearsal.smsc.deliver import Split
from rehearsal.smsc.metrics import metrics_page
from rehearsal.smsc.mood import Mischief
from rehearsal.smsc.record import Heard
from rehearsal.smsc.simulator import Simulator
from rehearsal.smsc.submission import number_of
from rehearsal.smsc.tally import Tally

_ONCE_PER_WAVE = ("mass", "stand-down")  # other kinds answer a person, as often as that person speaks
_LONGEST_WAIT = 30.0


def http_app(simulator: Simulator) -> web.Application:
    """GET /health /metrics /counts /messages /numbers /doubled /calls /ask; POST /say /drop /misbehave."""
    desk = _Desk(simulator)
    app = web.Application()
    app.add_routes(
        [
            web.get("/health", desk.health),
            web.get("/metrics", desk.metrics),
            web.get("/counts", desk.counts),
            web.get("/messages", desk.messages),
            web.get("/numbers", desk.numbers),
            web.get("/doubled", desk.doubled),
            web.get("/calls", desk.calls),
            web.get("/ask", desk.ask),
            web.post("/say", desk.say),
            web.post("/drop", desk.drop),
            web.post("/misbehave", desk.misbehave),
        ]
    )
    return app


class _Desk:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def health(self, _request: web.Request) -> web.Response:
        bound = sum(bool(session.bound) for session in self._simulator.sessions)
        return web.json_response({"status": "ok", "binds": bound, "people": len(self._simulator.people)})

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics_page(self._simulator), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def counts(self, _request: web.Request) -> web.Response:
        simulator = self._simulator
        incomplete = simulator.record.incomplete()
        references = {name: _tally(name, tally) for name, tally in sorted(simulator.record.tallies().items())}
        for name, (messages, pieces) in incomplete.items():
            entry = references.setdefault(name, _tally(name, Tally()))
            entry |= {"incomplete": messages, "segments": entry["segments"] + pieces}
        deliveries, network = simulator.deliveries, simulator.network
        return web.json_response(
            {
                "messages": sum(entry["messages"] for entry in references.values()),
                "segments": simulator.record.segments,
                "doubled": sum(entry["doubled"] for entry in references.values() if not entry["personal"]),
                "incomplete": sum(messages for messages, _ in incomplete.values()),
                "refused": {f"{status:#04x}": count for status, count in sorted(simulator.gateway.refused.items())},
                "silent": simulator.gateway.silent,
                "replies": network.replies,
                "calls": len(network.calls),
                "receipts": network.receipts,
                "deliver": {
                    "waiting": deliveries.waiting,
                    "acknowledged": deliveries.acknowledged,
                    "given_up": deliveries.given_up,
                },
                "references": references,
            }
        )

    async def messages(self, request: web.Request) -> web.Response:
        number = _number(request, "to")
        heard = self._simulator.record.heard_by(number)
        return web.json_response({"to": str(number), "messages": [_heard(message) for message in heard]})

    async def numbers(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        for portion in self._simulator.record.numbers_of(_asked(request, "reference")):
            await response.write("".join(f"{number}\n" for number in portion).encode())
        await response.write_eof()
        return response

    async def doubled(self, request: web.Request) -> web.Response:
        reference = _asked(request, "reference")
        tally = self._simulator.record.tallies().get(reference)
        numbers = tally.doubled if tally else {}
        listed = [{"number": str(number), "times": times} for number, times in numbers.items()]
        return web.json_response({"reference": reference, "doubled": listed})

    async def calls(self, request: web.Request) -> web.Response:
        network = self._simulator.network
        try:
            after, wait = int(request.query.get("after", "0")), float(request.query.get("wait", "0"))
        except ValueError as exc:
            raise web.HTTPBadRequest(text="after is a call's id, wait is seconds") from exc
        await network.wait_for_call(after, ceiling=min(wait, _LONGEST_WAIT))
        listed = [
            {"id": call.id, "from": str(call.number), "says": call.says, "at": call.at}
            for call in network.calls[max(after, 0) :]
        ]
        return web.json_response({"calls": listed})

    async def ask(self, request: web.Request) -> web.Response:
        person = self._simulator.people.who(_number(request, "number"))
        if person is None:
            raise web.HTTPNotFound(text="nobody has this number")
        return web.json_response({"abo": person.abo, "rhd": person.rhd})

    async def say(self, request: web.Request) -> web.Response:
        try:
            asked: dict[str, Any] = await request.json()
            split = Split(asked.get("split", Split.UDH8))
            self._simulator.network.say(asked["from"], asked["to"], asked["text"], split=split)
        except (KeyError, ValueError, TypeError) as exc:
            raise web.HTTPBadRequest(text="from, to, text and perhaps split: udh8, udh16 or sar") from exc
        return web.json_response({}, status=HTTPStatus.ACCEPTED)

    async def drop(self, _request: web.Request) -> web.Response:
        sessions = list(self._simulator.sessions)
        for session in sessions:
            session.drop()
        return web.json_response({"dropped": len(sessions)})

    async def misbehave(self, request: web.Request) -> web.Response:
        try:
            mischief = Mischief.model_validate_json(await request.read())
        except ValidationError as exc:
            problems = exc.errors(include_url=False, include_input=False, include_context=False)
            raise web.HTTPBadRequest(
                text="; ".join(f"{problem['loc']}: {problem['msg']}" for problem in problems)
            ) from exc
        self._simulator.misbehave(mischief)
        return web.json_response(mischief.model_dump(exclude_none=True))


def _asked(request: web.Request, name: str) -> str:
    value = request.query.get(name)
    if value is None:
        raise web.HTTPBadRequest(text=f"{name}= is missing")
    return value


def _number(request: web.Request, name: str) -> int:
    number = number_of(_asked(request, name).strip().encode())
    if not number:
        raise web.HTTPBadRequest(text=f"{name}= must be a number")
    return number


def _tally(reference: str, tally: Tally) -> dict[str, Any]:
    kind, _, rest = reference.partition("/")
    appeal, _, wave = rest.partition("/")
    return {
        "kind": kind,
        "appeal": appeal,
        "wave": wave,
        "personal": kind not in _ONCE_PER_WAVE,
        "messages": tally.messages,
        "numbers": len(tally.distinct),
        "segments": tally.segments,
        "incomplete": 0,
        "doubled": len(tally.doubled),
        "first": tally.first if tally.messages else None,
        "last": tally.last if tally.messages else None,
    }


def _heard(message: Heard) -> dict[str, Any]:
    saying = message.saying
    return {
        "text": saying.text,
        "from": saying.sender,
        "reference": saying.reference,
        "parts": saying.parts,
        "time": message.at.real,
        "appeal_time": message.at.appeal,
    }
