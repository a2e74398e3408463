"""One server process: in a group of its own, ended by its id, and never left behind when we are killed."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# The guard waits for the end of its standard input, which comes when we are gone, however we went.
_GUARD = 'read -r _; kill -s "$1" -- "-$0" 2>/dev/null'

_START_SECONDS = 120  # a JVM on a busy machine has been seen to take 40

# A server that a test takes away must find its port free when it comes back.  A port from the kernel's own range may by
# then be some client's; a client that tries it again and again may even get connected to itself.  Of two test processes
# side by side each has every other port, and a port that was given once may only be waiting for its server.
_PORTS = range(15_000, 32_000)
_GIVEN: set[int] = set()


class ServerMissing(Exception):
    """What a server needs is not installed here; the text says how to install it."""


class ServerFailed(Exception):
    """A server ended, or did not answer in time; the text quotes the end of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens just now, and that the kernel gives to nobody by itself."""
    ours = _PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) :: _test_processes()]
    for port in random.SystemRandom().sample(ours, len(ours)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port
    raise ServerFailed(f"none of {len(ours)} ports is free")


def _test_processes() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user and group that a server runs as; None stands for whoever we are."""

    user: int | None = None
    group: int | None = None


class ServerProcess:
    """A running child and its guard.  `stop` asks and then insists; `kill` does not ask."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        account: Account = Account(),
        crash: signal.Signals = signal.SIGKILL,
        polite: signal.Signals = signal.SIGTERM,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log, self._crash, self._polite = log, crash, polite
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env=environment,
                start_new_session=True,
                user=account.user,
                group=account.group,
                extra_groups=None if account.user is None else [],
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self._child.pid), crash.name.removeprefix("SIG")],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone, by itself or at our word."""
        return self._child.poll() is not None

    def wait_until(self, answers: Callable[[], bool], *, seconds: float) -> None:
        """Return once `answers()` is true.  Raises `ServerFailed` if the process ends or the time is up."""
        deadline = time.monotonic() + seconds
        while not answers():
            if self._child.poll() is not None:
                code = self._child.returncode
                self._dismiss_guard()
                raise ServerFailed(f"{self._name} ended with {code}:\n{self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"{self._name} did not answer within {seconds:.0f} s:\n{self._last_words()}")
            time.sleep(0.05)

    def wait(self, *, seconds: float) -> int:
        """Its exit code, once it has ended by itself.  Raises `ServerFailed` when the time is up."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"{self._name} still ran after {seconds:.0f} s:\n{self._last_words()}") from None
        self._dismiss_guard()
        return code

    def stop(self, *, seconds: float = 30) -> None:
        """End it in order; insist when the time is up."""
        self._signal(self._polite)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._child.wait(seconds)
        self._dismiss_guard()

    def kill(self, *, seconds: float = 30) -> None:
        """End it as a crash would."""
        self._signal(self._crash)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._child.wait(seconds)
        self._dismiss_guard()

    def freeze(self) -> None:
        """Hold it still as a long pause would; `thaw` lets it go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def _dismiss_guard(self) -> None:
        self._guard.kill()
        self._guard.communicate()

    @property
    def _name(self) -> str:
        return self._log.stem

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


class Server:
    """A server that keeps its port and its data over `stop`, `kill` and `start`, until it is removed."""

    def __init__(self, name: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix=f"muster-{name}-"))
        self._process: ServerProcess | None = None
        self.port = free_port()

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        """Raises `ServerFailed` while it does not run."""
        if self._process is None:
            raise ServerFailed("it does not run")
        return self._process.pid

    def start(self) -> Self:
        """Start it, with the data that it left, and return once it answers.  Raises `ServerFailed`.

        One that runs is left alone; one that ended by itself is started again.
        """
        if self._process is not None and self._process.ended:
            self.kill()
        if self._process is None:
            process = self._launch()
            process.wait_until(self._answers, seconds=_START_SECONDS)
            self._process = process
        return self

    def stop(self) -> None:
        """Shut it down in order, whoever is connected."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it as a crash would; what it had acknowledged is there at the next start."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def remove(self) -> None:
        """End it and throw its data away."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _launch(self) -> ServerProcess:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError
