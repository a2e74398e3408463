"""Asks a running worker of this machine for a preview: it holds all members in memory, and loading them takes seconds.

The question is one line, the appeal spec as JSON; so is the answer, numbers about nobody in particular.  They pass
through a Unix socket in `MUSTER_HOME` that only the owner of that folder may open.
"""

import socket
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from muster.preview_view import Preview
from muster.settings import Settings
from schemas.spec import AppealSpec

ANSWERS: Final = TypeAdapter(Preview)
_PATIENCE: Final = 10.0  # seconds; loading the members oneself takes about as long


def door_of(settings: Settings) -> Path:
    """Where a worker on this database listens."""
    return settings.home / f"worker-{settings.database_key}.sock"


def ask_worker(spec: AppealSpec, settings: Settings) -> Preview | None:
    """What a worker finds; none when none runs here, or it cannot say: then it must be found out without one."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE)
            line.connect(str(door_of(settings)))
            line.sendall(spec.model_dump_json().encode() + b"\n")
            with line.makefile("rb") as answer:
                return ANSWERS.validate_json(answer.readline())
    except (OSError, ValidationError):
        return None
