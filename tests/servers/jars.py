"""Servers written in Java: their jars, fetched once through Maven."""

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.servers.process import ServerMissing

_CACHE = Path(__file__).parents[2] / ".cache"
_REMEDY = "run scripts/setup tests (Debian: apt-get install maven default-jre-headless)"


def jars_of(name: str) -> Path:
    """The folder with all that `NAME-pom.xml` asks for.  Raises `ServerMissing`."""
    if shutil.which("java") is None:
        raise ServerMissing(f"there is no java: {_REMEDY}")
    pom, home = Path(__file__).with_name(f"{name}-pom.xml"), _CACHE / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = home / "pom.fetched"
        if not (stamp.exists() and stamp.read_bytes() == pom.read_bytes()):
            _fetch(pom, home / "libs")
            stamp.write_bytes(pom.read_bytes())
    return home / "libs"


def _fetch(pom: Path, libs: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerMissing(f"there is no mvn to fetch {pom.name} with: {_REMEDY}")
    shutil.rmtree(libs, ignore_errors=True)
    fetched = subprocess.run(
        [
            *(maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(pom), "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={libs}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    if fetched.returncode:
        raise ServerMissing(f"Maven could not fetch what {pom.name} asks for: {fetched.stdout[-800:]}")
