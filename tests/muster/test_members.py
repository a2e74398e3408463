"""`muster members` as a registry keeper types it."""

from pathlib import Path

from decisions.shards import shard_of
from muster.settings import read_settings
from tests.muster.house import House

TABLE = """\
京卡号,姓名,手机,备注
BJ0001,王芳,17900000001,x
BJ0002,李娜,1790000,x
BJ0001,王芳芳,17900000001,x
BJ0003,张伟,,x
"""


def test_an_import_with_rejects_succeeds_and_says_what_became_of_each_row(tmp_path: Path):
    house = House(tmp_path / "home")
    table = tmp_path / "members.csv"
    table.write_text(TABLE, encoding="gb18030")
    rejects = tmp_path / "members.csv.rejects.csv"

    facts = house.ask("members", "import", str(table))
    assert facts.pop("rows_per_second") > 0
    assert facts == {
        "rows": 4,
        "added": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 2,
        "rejects_file": str(rejects),
        "unknown_headers": ["备注"],
        "repeated_cards": 1,
    }
    assert [line.split(",")[0] for line in rejects.read_text("utf-8-sig").splitlines()] == ["line", "2", "3"]

    again = house.type("members", "import", str(table))
    assert again.code == 0
    assert "4 rows: 0 added, 0 updated, 2 unchanged, 2 rejected" in again.out
    for said in (str(rejects), "1 card numbers came twice", "备注"):
        assert said in again.out


def test_what_cannot_be_imported_is_bad_input_with_a_remedy(tmp_path: Path):
    house = House(tmp_path / "home")
    table = tmp_path / "members.csv"
    table.write_text("姓名,手机\n王芳,17900000001\n", encoding="utf-8")
    refused = house.type("members", "import", str(table))
    assert refused.code == 2
    assert "no column is called 京卡号 or card_number" in refused.err
    assert house.type("members", "import", str(tmp_path / "nothing.csv")).code == 2


def with_members(tmp_path: Path) -> tuple[House, Path]:
    """A house that knows the table's members, and the folder in which a worker would keep them."""
    house = House(tmp_path / "home")
    table = tmp_path / "members.csv"
    table.write_text(TABLE, encoding="gb18030")
    house.ask("members", "import", str(table))
    folder = read_settings(home=house.home).members_folder
    assert folder is not None
    return house, folder


def test_who_is_erased_leaves_what_a_worker_had_kept_of_members_too(tmp_path: Path):
    house, folder = with_members(tmp_path)
    folder.mkdir()
    for shard in range(8):
        (folder / f"{shard}.npz").write_bytes(b"columns")
    assert house.ask("members", "erase", "1")["erased"]
    left = {path.name for path in folder.iterdir()}
    assert {f"{shard}.npz" for shard in range(8)} - left == {f"{shard_of(1, 8)}.npz"}


def test_whoever_erases_is_told_of_a_file_that_cannot_be_deleted(tmp_path: Path):
    house, folder = with_members(tmp_path)
    stays = folder / f"{shard_of(1, 8)}.npz"
    stays.mkdir(parents=True)
    typed = house.type("members", "erase", "1", "--yes")
    assert typed.code == 0
    assert stays.name in typed.err.replace("\n", "")
    assert "delete it" in typed.err
