"""`muster worker`, `muster console` and `muster up`: what runs until it is told to stop."""

import asyncio
from typing import Annotated

import typer

from muster.doorstep import BAD_INPUT, OUT, fail, open_door, translated
from muster.listening import port_named
from muster.logs import set_up_logs
from muster.settings import Settings
from streams.url import EmbeddedLog, parse

_USUAL_HTTP_PORT = 8080


def worker() -> None:
    """Run a worker: decides, selects, sends, reads replies.  One on the embedded log, as many as you like on Kafka."""
    with open_door() as door:
        settings = door.settings
    _work(settings)


def console(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; otherwise MUSTER_HTTP_PORT, or 8080.")
    ] = 0,
) -> None:
    """Serve the web pages: the one-click opt-out that every e-mail names, /health and /metrics."""
    from muster.site import serve  # noqa: PLC0415 - heavy, and only this command needs it

    with open_door() as door:
        settings, now = door.settings, door.now
    email = settings.email
    if email is None:
        fail(
            BAD_INPUT,
            "MUSTER_EMAIL__SECRET: set it to the secret that signs the links in e-mails: openssl rand -hex 32",
        )
    settings = settings.model_copy(update={"http_port": port or settings.http_port or _USUAL_HTTP_PORT})
    set_up_logs(settings.log_level)

    def ready(listening: int) -> None:
        typer.echo(f"The pages are on http://{settings.http_host}:{listening}/health   Ctrl-C stops them.")

    with translated():
        asyncio.run(serve(settings, email, now, ready))


def up(
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where Prometheus may look; otherwise MUSTER_METRICS_PORT.")
    ] = 0,
) -> None:
    """Start everything in one process: database, topics, worker, web pages.  Ctrl-C stops it in good order."""
    with open_door() as door:
        settings = door.settings
    if metrics_port:
        settings = settings.model_copy(update={"metrics_port": metrics_port})
    for line in _greeting(settings):
        OUT.print(line, highlight=False, soft_wrap=True)
    _work(settings, with_site=True)


def _greeting(settings: Settings) -> list[str]:
    """What somebody who has just typed `muster up` wants to know."""
    log = parse(settings.log)
    kind = "a simulator" if settings.sms.simulator else "a real gateway"
    lines = ["[bold]Muster starts.[/]  Ctrl-C stops it in good order.", f"  home      {settings.home}"]
    if isinstance(log, EmbeddedLog):
        lines.append(f"  log       {log.path}")
    else:
        lines.append(f"  log       Kafka at {', '.join(log.servers)}")
    lines.append(f"  SMS       {kind} at {settings.sms.host}:{settings.sms.port}")
    lines.append(f"  e-mail    {_email(settings)}")
    if settings.metrics_port:
        lines.append(f"  metrics   http://{settings.metrics_host}:{settings.metrics_port}/metrics")
    lines.append("In another terminal:  muster doctor   ·   muster request file SPEC")
    return lines


def _email(settings: Settings) -> str:
    if settings.email is None:
        return "not set up (MUSTER_EMAIL__SECRET and others, docs/cli.md)"
    pages = f", opt-out pages on http://{settings.http_host}:{settings.http_port}" if settings.http_port else ""
    return f"by {settings.email.host}:{settings.email.port}{pages}"


def _work(settings: Settings, *, with_site: bool = False) -> None:
    from prometheus_client import start_http_server  # noqa: PLC0415 - as the next one

    from muster.wiring import work  # noqa: PLC0415 - heavy, and only these commands need it

    set_up_logs(settings.log_level)
    with translated():
        if settings.metrics_port:
            with port_named("MUSTER_METRICS_PORT", settings.metrics_host, settings.metrics_port):
                start_http_server(settings.metrics_port, addr=settings.metrics_host)
        asyncio.run(work(settings, with_site=with_site))
