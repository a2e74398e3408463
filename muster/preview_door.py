"""The worker's side of `muster.preview_ask`: previews on the members that it holds in memory anyway."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from agents.audience import Audience
from agents.doors import BadSpec
from muster.preview import find
from muster.preview_ask import ANSWERS, door_of
from muster.preview_view import Preview
from muster.settings import Settings
from registry.database import Database
from registry.errors import DatabaseUnreachable
from schemas.spec import AppealSpec

LOG = structlog.get_logger("muster.preview")
_LONGEST_QUESTION: Final = 1 << 20
_PATIENCE: Final = 5.0  # seconds for a question to arrive


class PreviewDoor:
    """Answers one question a connection.  Whatever it cannot answer it leaves to whoever asked."""

    def __init__(self, settings: Settings, database: Database, audience: Audience, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._database = database
        self._audience = audience
        self._now = now

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                question = await reader.readline()
            answer = await self._preview(AppealSpec.model_validate_json(question))
            writer.write(ANSWERS.dump_json(answer) + b"\n")
            await writer.drain()
        except (ValidationError, BadSpec, DatabaseUnreachable, TimeoutError, ValueError, OSError) as exc:
            LOG.info("a preview was not answered", error=type(exc).__name__)
        finally:
            writer.close()

    async def _preview(self, spec: AppealSpec) -> Preview:
        async with self._audience.steady() as indexes:
            work = partial(find, indexes=indexes, spec=spec, settings=self._settings, now=self._now())
            return await self._database.read(work)


@asynccontextmanager
async def answering_previews(door: PreviewDoor, settings: Settings) -> AsyncIterator[None]:
    """Listen while entered, unless another worker of this home does so already.  A worker can do without."""
    path = door_of(settings)
    if _somebody_listens(path):
        yield
        return
    try:
        path.unlink(missing_ok=True)  # a killed worker's
        server = await asyncio.start_unix_server(door, path, limit=_LONGEST_QUESTION)
    except OSError as exc:
        LOG.warning("previews load the members themselves: the socket cannot be made", reason=str(exc))
        yield
        return
    path.chmod(0o600)
    inode = path.stat().st_ino
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            if path.stat().st_ino == inode:
                path.unlink()


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
        return True
