"""The night itself: a request is filed, verified and launched, people answer, and the need is met or the time runs out."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from muster import board
from muster.clock import AppealClock
from registry import appeals
from registry.database import Database

_SPEC = {
    "kind": "blood",
    "programme": "platelets",
    "blood": {"abo": "AB"},
    "need": 15,
    "deadline": "4h",
    "waves": [{"blood": "known"}, {"blood": "unknown", "after": "45m"}],
}


def story_spec(need: int) -> dict[str, object]:
    """The appeal of that night."""
    return {**_SPEC, "need": need}


def drill_spec(size: int) -> dict[str, object]:
    """One wave of `size` members who may match, one donor needed: what the recall is measured on.

    Its deadline is far enough not to come first, however fast the rehearsal's hours pass.
    """
    return {
        "kind": "blood",
        "programme": "platelets",
        "blood": {"abo": "B"},
        "need": 1,
        "deadline": "4d",
        "waves": [{"blood": "either", "size": size}],
    }


class CommandFailed(Exception):
    """A `muster` command did not end with 0."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The `muster` command as an officer would type it, in the rehearsal's environment."""

    environment: Mapping[str, str]

    async def run(self, *arguments: str) -> dict[str, object]:
        """The facts that the command printed.  Raises `CommandFailed` with its own words."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "muster",
            *arguments,
            "--json",
            env=dict(self.environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            raise CommandFailed(f"muster {' '.join(arguments)}: {err.decode().strip()}")
        return dict(json.loads(out))


async def launch(commands: Commands, spec: Mapping[str, object], folder: Path, name: str) -> str:
    """File, verify and launch as three people would; the appeal's id."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(dict(spec), allow_unicode=True, sort_keys=False), encoding="utf-8")
    request = str((await commands.run("request", "file", str(path)))["request_id"])
    await commands.run("request", "verify", request)
    return str((await commands.run("appeal", "launch", request, "--drill"))["appeal_id"])


async def until_closed(
    database: Database,
    appeal_id: str,
    clock: AppealClock,
    show: Callable[[board.View], None],
    alive: Callable[[], None],
    *,
    limit: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> board.View:
    """Follow the appeal until it is filled, stopped or expired.  Raises what `alive` raises, and
    `TimeoutError` after `limit` real seconds.
    """  # noqa: D205
    async with asyncio.timeout(limit):
        while True:
            alive()
            view = await database.read(lambda connection: board.read(connection, appeal_id, clock.now()))
            show(view)
            if view.status not in appeals.OPEN:
                return view
            await sleep(0.2)


class Narrator:
    """Tells the story in lines where no live board can be drawn: in a log, in CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0
        self._last: tuple[object, ...] = ()

    def __call__(self, view: board.View) -> None:
        """A line whenever something changed that an officer would want to hear."""
        key = (view.status, view.confirmed, view.accepted, sum(wave.opened for wave in view.waves))
        if key != self._last:
            self._last = key
            elapsed = int((view.now - view.launched_at).total_seconds() // 60)
            self._console.print(
                f"  {elapsed // 60}:{elapsed % 60:02d} h  {view.messages:>9,} sent  {view.accepted:>3} said yes"
                f"  {view.confirmed:>3} of {view.need} confirmed  [{view.status}]",
                markup=False,
                highlight=False,
            )
