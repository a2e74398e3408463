"""docker-compose.yml read as Docker would, and its services moved onto this machine: same commands, other addresses."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.servers.process import free_port

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
OURS = "muster:"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose() -> dict[str, Any]:
    """The file, its anchors resolved, its variables not."""
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def ours() -> dict[str, dict[str, Any]]:
    """The services that run Muster's own image."""
    return {name: service for name, service in compose()["services"].items() if service["image"].startswith(OURS)}


def interpolated(text: str, variables: dict[str, str]) -> str:
    """What Docker makes of `${NAME}`, `${NAME:-otherwise}` and `${NAME:?it must be given}`."""

    def value(found: re.Match) -> str:
        name, mark, rest = found.groups()
        if name in variables:
            return variables[name]
        assert mark == "-", f"{name} is not given: {rest}"
        return str(rest)

    return VARIABLE.sub(value, text)


@dataclass
class Machine:
    """Where everything is on this machine instead: services at other ports of 127.0.0.1, folders in `folder`."""

    folder: Path
    variables: dict[str, str]
    ports: dict[str, int]  # port inside the containers -> port here; those missing are made up
    addresses: dict[str, str]  # parts of settings that are replaced as they are

    def moved(self, text: str) -> str:
        """This setting, word of a command or check, for this machine."""
        text = interpolated(str(text), self.variables)
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        text = text.replace("/var/lib/muster", str(self.folder)).replace("0.0.0.0", "127.0.0.1")
        return re.sub(r"(?<=127\.0\.0\.1:)\d{4}\b|^\d{4}$", lambda found: str(self.port(found[0])), text)

    def port(self, there: str) -> int:
        return self.ports.setdefault(there, free_port())

    def environment(self, service: dict[str, Any]) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        # What the Dockerfile sets: our programs are found by their names, and home is a folder of ours.
        own |= {"PATH": f"{Path(sys.executable).parent}:{own['PATH']}", "MUSTER_HOME": str(self.folder)}
        settings: dict[str, str] = service.get("environment", {})
        hosts = {name: "127.0.0.1" for name in settings if name.endswith("_HOST")}
        assert all(settings[name] in (*compose()["services"], "0.0.0.0") for name in hosts)
        return own | {name: self.moved(value) for name, value in settings.items()} | hosts

    def command(self, service: dict[str, Any]) -> list[str]:
        return [self.moved(word) for word in service["command"]]

    def check(self, service: dict[str, Any]) -> list[str]:
        """The service's own health check."""
        kind, *words = service["healthcheck"]["test"]
        assert kind == "CMD"
        return [self.moved(word) for word in words]
