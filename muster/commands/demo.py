"""`muster demo`."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from muster.demo.processes import ProcessFailed
from muster.demo.run import Options, rehearse
from muster.demo.story import CommandFailed
from muster.doorstep import OUT, UNREACHABLE, fail


def demo(
    members: Annotated[int, typer.Option(min=300, help="Members in the made-up registry.")] = 300_000,
    seed: Annotated[int, typer.Option(help="Another seed is another night; some miss the need.")] = 1,
    speed: Annotated[float, typer.Option(min=1, help="How many times faster than real the appeal's hours pass.")] = 240,
    need: Annotated[int, typer.Option(min=1, help="Donors needed.")] = 15,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave gateway and worker running and say how to look.")] = False,
) -> None:
    """Rehearse the night of 24 November 2011 on real sockets, and report what the gateway itself counted."""
    folder = Path(tempfile.mkdtemp(prefix="muster-demo-"))
    options = Options(members, seed, speed, need, keep, folder, json_file)
    try:
        asyncio.run(rehearse(options, OUT))
    except (ProcessFailed, CommandFailed) as exc:
        fail(UNREACHABLE, f"{exc}\nLogs are in {folder}")
    except TimeoutError:
        fail(UNREACHABLE, f"the rehearsal stands still\nLogs are in {folder}")
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not keep:
        shutil.rmtree(folder)
