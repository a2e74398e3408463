"""The witness shares nothing with what it witnesses, and handsets know only what they read."""

import ast
from pathlib import Path

import pytest

import rehearsal
from rehearsal.handsets import Handsets

FOLDER = Path(rehearsal.__file__).parent
OURS = {"files", "schemas", "decisions", "registry", "streams", "notifiers", "agents", "console", "muster"}
SIMULATED = [
    *sorted(FOLDER.glob("smsc/*.py")),
    *(FOLDER / name for name in ("handsets.py", "reading.py", "people.py", "draws.py")),
]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", SIMULATED, ids=lambda path: path.name)
def test_simulated_things_import_nothing_of_the_system(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & OURS


def test_handsets_are_given_words_and_an_address_and_no_appeal() -> None:
    given = [name for name in Handsets.hear.__annotations__ if name != "return"]
    assert given == ["text", "sender", "numbers", "at"]
