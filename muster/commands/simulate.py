"""`muster smsc-sim`: an SMS gateway for rehearsals."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from muster.clock import AppealClock
from muster.doorstep import BAD_INPUT, UNREACHABLE, fail
from muster.logs import set_up_logs
from muster.settings import BadSettings, read_settings
from rehearsal.people import PeopleUnreadable
from rehearsal.smsc.server import Listening, serve
from rehearsal.smsc.settings import LIVELY, HandsetSettings, SimSettings
from rehearsal.smsc.spool import RecordUnreadable

_DEFAULTS = SimSettings()


def smsc_sim(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = _DEFAULTS.host,
    port: Annotated[int, typer.Option(help="SMPP port.")] = _DEFAULTS.port,
    http_port: Annotated[
        int, typer.Option(help="Port for questions: /health, /metrics, /counts, /messages?to=")
    ] = _DEFAULTS.http_port,
    latency_ms: Annotated[float, typer.Option(min=0, help="Delay of every answer.")] = 0,
    window: Annotated[int, typer.Option(min=0, help="Unanswered messages per bind; 0 = no limit.")] = 0,
    throttle: Annotated[float, typer.Option(min=0, help="Messages a second; beyond it ESME_RTHROTTLED.")] = 0,
    error_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of numbers refused for good.")] = 0,
    receipts: Annotated[float, typer.Option(min=0, max=1, help="Share of receipts that come.")] = 1,
    undelivered: Annotated[
        float, typer.Option(min=0, max=1, help="Share that never reaches the handset.")
    ] = _DEFAULTS.undelivered,
    receipt_seconds: Annotated[
        float, typer.Option(min=0.001, help="Median delay of receipts, in appeal time.")
    ] = _DEFAULTS.receipt_median_seconds,
    seed: Annotated[int, typer.Option(help="Same seed, same answers.")] = 1,
    people: Annotated[Path | None, typer.Option(help="people.csv; without it nobody answers.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where the record of all messages is kept.")] = None,
    lively: Annotated[
        bool, typer.Option("--lively", help="Some people also say no, opt out or write nonsense.")
    ] = False,
) -> None:
    """Simulate an SMS gateway and the people behind it; it records everything it accepted."""
    set_up_logs()
    try:
        clock_settings = read_settings().clock
    except BadSettings as exc:
        fail(BAD_INPUT, str(exc))
    clock = AppealClock(clock_settings.start, clock_settings.speed)
    settings = SimSettings(
        host=host,
        port=port,
        http_port=http_port,
        latency_ms=latency_ms,
        window=window,
        throttle=throttle,
        error_rate=error_rate,
        receipts=receipts,
        undelivered=undelivered,
        receipt_median_seconds=receipt_seconds,
        seed=seed,
        people=people,
        state_dir=state_dir,
        handsets=LIVELY if lively else HandsetSettings(),
    )

    def say(listening: Listening) -> None:
        typer.echo(f"SMPP on {host}:{listening.port}, questions on http://{host}:{listening.http_port}")

    try:
        asyncio.run(serve(settings, clock.now, clock.speed, ready=say))
    except (PeopleUnreadable, RecordUnreadable) as exc:
        fail(BAD_INPUT, str(exc))
    except OSError as exc:
        fail(UNREACHABLE, f"--port, --http-port: {exc.strerror}; choose another one")
