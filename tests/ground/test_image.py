"""The image cannot be built here; what the Dockerfile says is held against what is there."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.ground.compose import ROOT, ours

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined) if word]


def arguments(instruction: str) -> list[str]:
    return [rest for word, rest in instructions() if word == instruction]


def copied() -> set[str]:
    return {source.rstrip("/") for words in arguments("COPY") for source in words.split()[:-1]}


def test_it_stands_on_a_slim_debian_with_a_python_that_we_support():
    (base,) = arguments("FROM")
    name, _, tag = base.partition(":")
    assert name == "python"
    version, *rest = tag.split("-")
    assert rest == ["slim", "bookworm"]
    assert tuple(map(int, version.split("."))) >= (3, 11)


def test_what_it_copies_is_there_and_all_our_packages_are_copied():
    assert all((ROOT / source).exists() for source in copied())
    assert copied() >= PACKAGES | {"requirements.lock", "pyproject.toml", PYPROJECT["project"]["readme"]}


def test_what_it_copies_and_nothing_else_reaches_the_build():
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied()


def test_only_what_the_lock_file_names_by_hash_is_installed():
    installs = [words for words in arguments("RUN") if "pip install" in words]
    locked, own = installs
    assert "--require-hashes -r requirements.lock" in locked
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(own.split())


def test_it_does_not_run_as_root():
    (user,) = arguments("USER")
    assert int(user) > 0
    assert any("useradd" in words and user in words for words in arguments("RUN"))


def test_every_service_runs_a_command_that_the_image_has():
    assert all(service["build"]["dockerfile"] == "deploy/Dockerfile" for service in ours().values())
    assert {service["command"][0] for service in ours().values()} <= {"muster", "sh"}
    assert "muster" in PYPROJECT["project"]["scripts"]


def test_an_installed_muster_has_its_texts_and_tables_with_it(tmp_path: Path):
    # What the image does last.  A working copy is installed in place, and would not miss a file that is left out.
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.startswith("muster-")}
    here = {
        str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()
    }
    assert inside == {path for path in here if "__pycache__" not in path}
