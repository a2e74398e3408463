"""The lock files hold what pyproject.toml asks for, each package by its hashes, and tell nothing about where they were made."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ground.compose import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN, DEV = (ROOT / name for name in ("requirements.lock", "requirements-dev.lock"))
LOCKS = pytest.mark.parametrize("lock", [RUN, DEV], ids=lambda path: path.name)


def locked(lock: Path) -> list[tuple[Requirement, int]]:
    """Each pinned package, and how many hashes it has."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    entries = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(Requirement(entry.partition(" --hash")[0]), entry.count("--hash=sha256:")) for entry in entries if entry]


def versions(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pinned, _ in locked(lock):
        (specifier,) = pinned.specifier
        assert specifier.operator == "=="
        found.setdefault(canonicalize_name(pinned.name), set()).add(specifier.version)
    return found


@LOCKS
def test_every_package_is_pinned_by_its_hashes(lock: Path):
    assert [pinned.name for pinned, hashes in locked(lock) if not hashes] == []


@LOCKS
def test_no_address_is_in_it(lock: Path):
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|//|--(?:extra-)?index|--find-links|--trusted|@ ", text)


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        (RUN, [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["build"]]),
        (DEV, PYPROJECT["dependency-groups"]["dev"]),
    ],
    ids=["requirements.lock", "requirements-dev.lock"],
)
def test_what_pyproject_asks_for_is_in_it(lock: Path, wanted: list[str]):
    have = versions(lock)
    missing = [
        text
        for text in wanted
        for requirement in [Requirement(text)]
        if not any(
            requirement.specifier.contains(version) for version in have.get(canonicalize_name(requirement.name), ())
        )
    ]
    assert missing == [], "remedy: scripts/lock"


def test_the_tools_stand_on_the_versions_that_run():
    run, dev = versions(RUN), versions(DEV)
    assert {name: dev.get(name) for name in run} == run


def test_packages_that_would_take_our_names_are_not_there():
    assert not {"openai-agents", "notifiers"} & versions(DEV).keys()
