"""Made-up members: as many kinds of people as in Beijing, nobody in particular, the same for the same seed."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import pytest

from decisions.mobiles import is_made_up, mobile_of
from rehearsal.generate import DISTRICTS, generate_members
from rehearsal.people import People

COUNT = 120_000  # more than one block of the generator
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people") / "members.csv"
    generate_members(COUNT, seed=7, out=out)
    return out


@pytest.fixture(scope="module")
def members(table: Path) -> Rows:
    return read(table)


@pytest.fixture(scope="module")
def people(table: Path) -> Rows:
    return read(table.with_name("members.csv.people.csv"))


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shares(values: Iterable[str]) -> Mapping[str, float]:
    found = Counter(values)
    return {value: count / found.total() for value, count in found.items()}


def test_every_mobile_is_made_up_and_nobody_elses(members: Rows, people: Rows):
    mobiles = [person["mobile"] for person in people]
    assert len(set(mobiles)) == len(mobiles) == COUNT
    assert all(len(mobile) == 11 and is_made_up(mobile_of(mobile) or "") for mobile in mobiles)
    assert {member["手机号"] for member in members} - {""} < set(mobiles)
    assert len({member["京卡号"] for member in members}) == COUNT


def test_ninety_five_of_a_hundred_can_be_asked_for_blood_by_sms(members: Rows):
    reachable = [
        member
        for member in members
        if member["手机号"] and member["短信同意"] == member["献血同意"] == "yes" and not member["退订"]
    ]
    assert len(reachable) / COUNT == pytest.approx(0.95, abs=0.003)


def test_true_groups_have_the_shares_of_the_best_proxy_for_beijing(people: Rows):
    wanted = {"A": 0.2774, "B": 0.3168, "O": 0.2965, "AB": 0.1093}
    assert shares(person["abo"] for person in people) == pytest.approx(wanted, abs=0.006)
    assert shares(person["rhd"] for person in people)["neg"] == pytest.approx(0.00449, abs=0.0008)


def test_districts_have_the_shares_of_the_census(members: Rows):
    total = sum(DISTRICTS.values())
    assert shares(member["区"] for member in members) == pytest.approx(
        {name: count / total for name, count in DISTRICTS.items()}, abs=0.005
    )


def test_a_third_of_the_groups_is_known_and_a_few_of_the_remembered_ones_are_wrong(members: Rows, people: Rows):
    known = [(member, person) for member, person in zip(members, people, strict=True) if member["血型"]]
    assert len(known) / COUNT == pytest.approx(1 / 3, abs=0.006)
    wrong = Counter(member["血型来源"] for member, person in known if member["血型"] != person["abo"] + "型")
    assert set(wrong) == {"self-reported"}, "a laboratory is right"
    assert wrong.total() / len(known) == pytest.approx(0.005 * 0.7 * 0.72, abs=0.001)


def test_members_are_of_working_age_when_the_rehearsal_is_held(members: Rows):
    born = [date.fromisoformat(member["出生日期"]) for member in members]
    assert date(1968, 1, 1) <= min(born) < max(born) <= date(2006, 12, 31)


def test_the_same_seed_makes_the_same_people_and_another_seed_others(tmp_path: Path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate_members(2_000, seed=seed, out=tmp_path / name)
    one, same, other = (
        [(tmp_path / f"{name}{kind}").read_bytes() for kind in ("", ".people.csv")] for name in ("a", "b", "c")
    )
    assert one == same
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_handsets_read_the_people_file_and_the_table_tells_nothing_more(table: Path, members: Rows, people: Rows):
    known = People.read(table.with_name("members.csv.people.csv"))
    assert len(known) == COUNT
    who = known.who(int(people[5]["mobile"]))
    assert who is not None
    assert (who.abo, who.rhd) == (people[5]["abo"], people[5]["rhd"])
    unknown = [member for member in members if not member["血型"]]
    assert {member["RhD"] for member in unknown} == {""}
