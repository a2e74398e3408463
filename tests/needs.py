"""What a test needs from outside Python: in CI it must be there, elsewhere a test without it is skipped and says so."""

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Fail in CI, where everything must have been installed; skip elsewhere."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need_program(name: str, *, package: str) -> str:
    """The path of a program, else see `missing`."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/lib/kannel")
    if found is None:
        missing(f"there is no {name}: run scripts/setup tests (Debian: apt-get install {package})")
    return found
