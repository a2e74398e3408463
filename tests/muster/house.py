"""A Muster of its own: one folder, its settings, and the `muster` command typed into it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from typer.testing import CliRunner

from muster.cli import app
from tests.servers.process import ServerProcess, free_port

START_SECONDS = 90
IMPATIENT = """
import streams.kafka.admin
streams.kafka.admin.BOOTSTRAP_MS = 300
from muster.__main__ import main
main()
"""
NIGHT = """\
kind: blood
programme: platelets
blood: {abo: AB}
need: 1
deadline: 4h
waves:
  - {blood: known%s}
"""


@dataclass(frozen=True)
class Typed:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict:
        return json.loads(self.out)


@dataclass
class House:
    """`home` and the settings of every process in it."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the caller's own settings leaks in."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        return own | {"MUSTER_HOME": str(self.home), "MUSTER_STAFF": "officer", "COLUMNS": "120"} | self.settings

    @property
    def database(self) -> str:
        return f"sqlite:///{self.home}/muster.db"

    def type(self, *words: str, **settings: str) -> Typed:
        """Type a command and wait for its end.  In this process, which is ten times as fast."""
        theirs: dict[str, str | None] = {name: None for name in os.environ if name.startswith("MUSTER_")}
        done = CliRunner().invoke(app, words, env=theirs | self.environment | settings, catch_exceptions=False)
        return Typed(done.exit_code, done.stdout, done.stderr)

    def start(self, *words: str, **settings: str) -> Typed:
        """The same in a process of its own: for a command that should stay and will not, and for Kafka's client, which
        leaves sockets behind when no broker answers.  That is noticed sooner here.
        """
        done = subprocess.run(
            [sys.executable, "-c", IMPATIENT, *words],
            env=self.environment | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Typed(done.returncode, done.stdout, done.stderr)

    def ask(self, *words: str) -> dict:
        """The facts that a command prints; it must succeed."""
        typed = self.type(*words, "--json")
        assert typed.code == 0, typed.err
        return typed.facts

    def launch(self, spec: str) -> str:
        """File, verify and launch; the appeal's id."""
        path = self.home.parent / "spec.yaml"
        path.write_text(spec, encoding="utf-8")
        request = self.ask("request", "file", str(path))["request_id"]
        self.ask("request", "verify", request)
        return self.ask("appeal", "launch", request)["appeal_id"]

    @contextmanager
    def running(self, *words: str, ready: Callable[[], bool]) -> Iterator[ServerProcess]:
        """A command that stays, once it is ready; ended in order."""
        log = self.home.parent / f"{words[0]}-{free_port()}.log"
        process = ServerProcess([sys.executable, "-m", "muster", *words], log=log, environment=self.environment)
        process.wait_until(ready, seconds=START_SECONDS)
        try:
            yield process
        finally:
            process.stop()

    @contextmanager
    def working(self, command: str = "worker") -> Iterator[ServerProcess]:
        """A worker that has taken up its work."""
        port = free_port()
        self.settings["MUSTER_METRICS_PORT"] = str(port)
        with self.running(
            command, ready=lambda: "muster_worker_ready 1.0" in page(f"http://127.0.0.1:{port}")
        ) as process:
            yield process


def page(url: str) -> str:
    """What is served there; empty while nobody answers."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except (URLError, OSError):
        return ""


def members_csv(path: Path, *rows: Mapping[str, str]) -> Path:
    """A table for the import: AB members who agreed to everything, with these differences."""
    usual = {
        "card_number": "", "name": "", "mobile": "", "email": "", "birth_date": "1990-01-01", "blood_type": "AB",
        "consent_sms": "yes", "consent_email": "yes", "consent_blood": "yes",
    }  # fmt: skip
    lines = [
        ",".join({**usual, "card_number": f"BJ{number:08d}", **row}.values()) for number, row in enumerate(rows, 1)
    ]
    path.write_text("\n".join([",".join(usual), *lines]) + "\n", encoding="utf-8")
    return path
