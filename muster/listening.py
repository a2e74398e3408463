"""Ports that this process listens on: one that cannot be had is named together with its setting."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EADDRINUSE


class PortTaken(Exception):
    """We cannot listen there; the text names the setting."""


@contextmanager
def port_named(setting: str, host: str, port: int) -> Iterator[None]:
    """Raises `PortTaken` in place of the system's own error."""
    try:
        yield
    except OSError as exc:
        # The event loop raises with a sentence of its own, which begins with the number.
        reason = "it is in use" if exc.errno == EADDRINUSE else (exc.strerror or type(exc).__name__)
        raise PortTaken(f"{setting}: cannot listen on {host}:{port}: {reason}; choose another one") from exc
