"""Where Muster's own files lie unless it is told otherwise."""

from pathlib import Path

import pytest

from muster.settings import read_settings

SERVER = "postgresql://muster:secret@db.example/muster"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DATABASE", "SNAPSHOTS"):
        monkeypatch.delenv(f"MUSTER_{name}", raising=False)


def test_members_are_kept_beside_an_embedded_database(tmp_path: Path):
    folder = read_settings(home=tmp_path).members_folder
    assert folder is not None
    assert folder.parent == tmp_path


def test_members_of_a_server_lie_on_no_workers_disk_unless_a_folder_is_named(tmp_path: Path):
    """Who keeps them on a server has decided where personal data lies."""
    assert read_settings(home=tmp_path, database=SERVER).members_folder is None
    folder = read_settings(home=tmp_path, database=SERVER, snapshots=tmp_path / "quick").members_folder
    assert folder is not None
    assert folder.parent == tmp_path / "quick"
    assert "secret" not in str(folder)


def test_two_databases_in_one_home_do_not_share_a_folder(tmp_path: Path):
    one, other = (read_settings(home=tmp_path, database=f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    assert one.members_folder != other.members_folder
