"""The simulator's HTTP port as a telephone: calls come in, and people can be asked for their blood group."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from rehearsal.desk import DeskBusy, HotlineCall

_WAIT = 5.0  # seconds that the simulator holds a question for calls
_CEILING = ClientTimeout(total=15)


class Telephone:
    """`Hotline` and `Phone` over one client session; `base` is http://host:port of the simulator."""

    def __init__(self, session: ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def calls_after(self, last: int) -> Sequence[HotlineCall]:
        answer = await self._get("/calls", {"after": str(last), "wait": str(_WAIT)})
        calls = answer["calls"] if answer else []
        return [HotlineCall(call["id"], call["from"], call["says"]) for call in calls]

    async def ask_type(self, mobile: str) -> str | None:
        answer = await self._get("/ask", {"number": mobile})
        return str(answer["abo"]) if answer else None

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        try:
            async with self._session.get(self._base + path, params=query, timeout=_CEILING) as response:
                if response.status == HTTPStatus.NOT_FOUND:
                    return None
                response.raise_for_status()
                return await response.json()
        except (TimeoutError, ClientError) as exc:
            raise DeskBusy(f"the simulator does not answer {path}: {type(exc).__name__}") from exc
