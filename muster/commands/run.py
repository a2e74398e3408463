"""`muster worker` and `muster up`."""

import asyncio
from typing import Annotated

import typer
from prometheus_client import start_http_server

from muster.doorstep import REFUSED, UNREACHABLE, fail, open_door
from muster.logs import set_up_logs
from muster.settings import Settings
from streams.errors import BadLogURL, LogUnreachable, WorkerRunning, WrongVersion


def worker() -> None:
    """Run a worker: decides, selects, sends, reads replies.  One on the embedded log, as many as you like on Kafka."""
    with open_door() as door:
        settings = door.settings
    _work(settings)


def up(
    metrics_port: Annotated[int, typer.Option(help="Where Prometheus may look; 0 = nowhere.")] = 0,
) -> None:
    """Start everything on the embedded log: database, topics, worker.  Ctrl-C stops it in good order."""
    with open_door() as door:
        settings = door.settings
    if metrics_port:
        settings = settings.model_copy(update={"metrics_port": metrics_port})
    typer.echo(
        f"Muster is up.  Home: {settings.home}   Log: {settings.log}   Gateway: {settings.sms.host}:{settings.sms.port}"
    )
    typer.echo("File a request in another terminal: muster request file SPEC")
    _work(settings)


def _work(settings: Settings) -> None:
    from muster.wiring import work  # noqa: PLC0415 - heavy, and only these two commands need it

    set_up_logs()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr="127.0.0.1")
    try:
        asyncio.run(work(settings))
    except (WorkerRunning, WrongVersion, BadLogURL) as exc:
        fail(REFUSED, str(exc))
    except LogUnreachable as exc:
        fail(UNREACHABLE, f"the log cannot be reached ({exc}): check MUSTER_LOG, or `muster doctor`")
