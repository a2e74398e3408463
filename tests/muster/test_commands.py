"""The `muster` command as somebody at a terminal meets it: what it prints, and what its exit code says."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from decisions.programmes import PROGRAMMES
from registry import replies
from registry.database import Database
from registry.replies import Received
from tests.muster.house import NIGHT, House, members_csv
from tests.servers.process import free_port

DONE, BAD_INPUT, REFUSED, UNREACHABLE = 0, 2, 3, 4
SPEC = NIGHT % ""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Three members, one request that was launched; nobody works."""
    house = House(tmp_path_factory.mktemp("muster") / "home")
    table = members_csv(house.home.parent / "members.csv", *({"mobile": f"1790000000{n}"} for n in range(3)))
    house.ask("members", "import", str(table))
    house.launch(SPEC)
    return house


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_everything_that_prints_facts_prints_them_as_json_too(house: House, spec: Path, tmp_path: Path):
    request = house.ask("request", "file", str(spec))["request_id"]
    (first,) = house.ask("appeal", "list")["appeals"]
    appeal = first["appeal_id"]
    printed = {
        ("request", "verify", request): {"request_id", "status"},
        ("request", "list"): {"requests"},
        ("appeal", "preview", str(spec)): {"members", "matched", "excluded", "messages", "segments", "estimated_seconds"},
        ("appeal", "launch", request): {"appeal_id"},
        ("appeal", "list"): {"appeals"},
        ("appeal", "pause", appeal): {"appeal_id", "ordered"},
        ("appeal", "stop", appeal): {"appeal_id", "ordered"},
        ("members", "show", "1"): {"member_id", "consents", "opt_outs", "mobile"},
        ("members", "opt-out", "2"): {"member_id", "opted_out"},
        ("members", "erase", "3"): {"member_id", "erased"},
        ("members", "generate", "--count", "2", "--out", str(tmp_path / "made-up.csv")): {"count", "out", "people"},
        ("answer", "record", "yes", "--member", "1", "--appeal", appeal): {"appeal_id", "member_id", "answer"},
        ("answer", "list", appeal): {"appeal_id", "answers"},
        ("database", "migrate"): {"migrated", "from", "to"},
        ("desk", "list"): {"waiting"},
        ("topics", "create"): {"topics"},
        ("topics", "check"): {"differences"},
        ("dead-letters", "list"): {"dead_letters"},
        ("schemas", "export", str(tmp_path / "schemas")): {"schemas", "folder"},
    }  # fmt: skip
    facts = {words: house.ask(*words) for words in printed}
    assert {words: names - facts[words].keys() for words, names in printed.items()} == {
        words: set() for words in printed
    }
    assert facts["members", "show", "1"]["consents"]["blood"]["given"]


@pytest.mark.parametrize(
    ("right", "wrong", "field", "remedy"),
    [
        ("need: 1", "need: 0", "need", "1 or more"),
        ("need: 1", "need: many", "need", "whole number"),
        ("need: 1", "", "need", "need: 15"),
        ("need: 1", "need: 1\nneed: 2", "spec.yaml", "line 5: a field stands there twice"),
        ("blood: {abo: AB}", "blood: {abo: X}", "blood.abo", "A, B, AB, O"),
        ("blood: {abo: AB}", "blood: {abo: AB, rdh: hard}", "blood.rdh", "abo, rhd_required"),
        ("blood: {abo: AB}", "", "blood", "{abo: AB}"),
        ("programme: platelets", "programme: moon-landing", "programme", ", ".join(sorted(PROGRAMMES))),
        ("deadline: 4h", "deadline: soon", "deadline", "45m, 4h, 1d 12h; or write a moment with its zone"),
        ("deadline: 4h", "deadline: 2020-01-01T00:00:00+08:00", "deadline", "a later moment"),
        ("deadline: 4h", "deadline: 0s", "deadline", "a later moment"),
        ("deadline: 4h", "deadline: 4", "deadline", "its unit is missing"),
        ("deadline: 4h", "deadline: 2090-01-01T00:00:00", "deadline", "its zone is missing"),
        ("blood: {abo: AB}", "blood: AB", "blood", "{abo: AB}"),
        ("blood: known", "blood: known, after: 4h", "waves.1.after", "a later deadline"),
        ("blood: known", "blood: known, channel: pigeon", "waves.1.channel", "one of: sms, email"),
        ("kind: blood", "kind: blood\ndistrict: [朝阳区]", "district", "is it `districts`?"),
        ("kind: blood", "kind: blood\ndistricts: [999999]", "districts.0", "110105 朝阳区"),
        ("kind: blood", "kind: blood\nages: [60, 18]", "ages", "the first number is the youngest"),
        ("kind: blood", "kind: blood\ntexts: {mass: {zh: 拒收请回复R}}", "texts.mass.zh", "begin with 【"),
        (
            "kind: blood",
            "kind: blood\ntexts: {stand_down: {en: '[BFTU] You can donate now'}}",
            "texts.stand_down.en",
            "ask whether they can",
        ),
    ],
)
def test_a_broken_spec_names_the_field_and_the_remedy(
    house: House, spec: Path, right: str, wrong: str, field: str, remedy: str
):
    spec.write_text(SPEC.replace(right, wrong), encoding="utf-8")
    for command in (("request", "file"), ("appeal", "preview")):
        typed = house.type(*command, str(spec))
        assert (typed.code, typed.out) == (BAD_INPUT, "")
        assert f"{field}: " in typed.err
        assert remedy in typed.err
        assert len(typed.err.splitlines()) == 1


@pytest.mark.parametrize("order", ["pause", "resume", "stop", "status"])
@pytest.mark.parametrize("name", ["rubbish", "a-E35BBE9F2957"])
def test_an_order_for_no_appeal_says_where_they_are_listed(house: House, order: str, name: str):
    typed = house.type("appeal", order, name)
    assert (typed.code, typed.out) == (REFUSED, "")
    assert typed.err == f"there is no appeal {name}: `muster appeal list` shows them all\n"


def test_whoever_gives_an_order_that_nobody_carries_out_is_told(house: House, spec: Path):
    request = house.ask("request", "file", str(spec))["request_id"]
    house.ask("request", "verify", request)
    launched = house.type("appeal", "launch", request)
    appeal = house.ask("appeal", "list")["appeals"][0]["appeal_id"]
    for typed in (launched, house.type("appeal", "pause", appeal), house.type("appeal", "status", appeal)):
        assert (typed.code, "No worker runs" in typed.err + typed.out) == (DONE, True)
    again = house.type("appeal", "launch", request)
    assert (again.code, f"already launched as {appeal}" in again.err) == (REFUSED, True)


def test_districts_are_named_as_people_do(house: House, spec: Path):
    spec.write_text(f"{SPEC}districts: [朝阳区, 海淀, 110101]\n", encoding="utf-8")
    assert house.type("request", "file", str(spec)).code == DONE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("a: [", "line 1: is not YAML"),
        ("a: 1\n\tb: 2", "line 2: is not YAML"),
        ("platelets", "`field: value`"),
        ("", "is empty"),
        ("need： 15\nprogramme: platelets", "line 1: the colon is full-width"),
        ("programme：platelets", "line 1: the colon is full-width"),
        (b"\xd1\xaa\xd0", "is not UTF-8"),
        (b"\x00\x01", "is not YAML"),
    ],
)
def test_a_file_that_is_no_spec_is_named(house: House, tmp_path: Path, content: str | bytes | None, reason: str):
    path = tmp_path / "night.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    typed = house.type("request", "file", str(path))
    assert typed.code == BAD_INPUT
    assert "night.yaml" in typed.err
    assert reason in typed.err


def test_what_may_not_be_is_refused(house: House, spec: Path):
    request = house.ask("request", "file", str(spec))["request_id"]
    unverified = house.type("appeal", "launch", request)
    house.ask("request", "verify", request)
    first, second = (house.type("appeal", "launch", request, "--json") for _ in range(2))
    assert (unverified.code, first.code, second.code) == (REFUSED, DONE, REFUSED)
    assert "verif" in unverified.err
    assert "already launched" in second.err
    assert house.type("appeal", "resume", first.facts["appeal_id"]).code == REFUSED
    assert house.type("appeal", "status", "a-0000").code == REFUSED
    assert house.type("members", "show", "99").code == REFUSED


def test_a_member_is_found_by_card_or_number_and_a_slip_is_no_member(house: House):
    for way in (("--card", "bj 00000001"), ("--mobile", "+86 179-0000-0000")):
        assert house.ask("members", "show", *way)["member_id"] == 1
    for slip, code, remedy in (
        (("--mobile", "10086"), BAD_INPUT, "11 digits"),
        (("--card", "1"), BAD_INPUT, "4 to 32"),
        (("--mobile", "17911111111"), REFUSED, "--card"),
        (("--card", "BJ99999999"), REFUSED, "--mobile"),
        (("1", "--card", "BJ00000001"), BAD_INPUT, "exactly one"),
        ((), BAD_INPUT, "exactly one"),
    ):
        for command in ("show", "opt-out", "erase"):
            typed = house.type("members", command, *slip, "--json")
            assert (typed.code, typed.out) == (code, ""), typed.err
            assert remedy in typed.err


def test_what_waits_for_a_person_is_read_and_taken_off_the_desk(house: House):
    with Database(house.database) as database, database.transaction() as connection:
        replies.store(
            connection,
            [
                Received(
                    reply_id="m-1",
                    received_at=datetime(2024, 5, 1, tzinfo=UTC),
                    channel="sms",
                    address="+8617900000000",
                    sent_to="",
                    member_id=1,
                    appeal_id=None,
                    words="[bold]谁？",
                )
            ],
        )
        replies.understood(connection, [replies.Understood("m-1", "question", None, "question")])
    (waiting,) = house.ask("desk", "list")["waiting"]
    assert (waiting["reply_id"], waiting["member_id"], waiting["words"]) == ("m-1", 1, "[bold]谁？")
    assert "[bold]谁？" in house.type("desk", "list").out
    assert house.ask("desk", "done", "m-1") == {"reply_id": "m-1", "done": True}
    assert house.type("desk", "done", "m-1").code == REFUSED
    assert "Nothing waits" in house.type("desk", "list").out


def test_a_coordinator_sees_who_said_yes_and_waits_for_a_call(house: House):
    (*_, appeal) = (row["appeal_id"] for row in house.ask("appeal", "list")["appeals"])
    with Database(house.database) as database, database.transaction() as connection:
        said = replies.Answered(appeal, 1, "yes", "hotline", datetime(2024, 5, 1, tzinfo=UTC), "m-2")
        replies.put_answers(connection, [said])
    (caller,) = house.ask("answer", "list", appeal)["answers"]
    assert (caller["member_id"], caller["mobile"], caller["blood"]) == (1, "+8617900000000", "AB")
    assert "+8617900000000" in house.type("answer", "list", appeal).out
    assert house.type("answer", "list", "a-nothing-of-the-kind").code == REFUSED
    assert house.ask("confirm", appeal, "1")["matched"]
    assert "Nobody waits" in house.type("answer", "list", appeal).out
    (caller,) = house.ask("answer", "list", appeal, "--all")["answers"]
    assert caller["answer"] == "yes"


def test_schemas_go_into_a_folder_that_can_be_made(house: House, spec: Path):
    typed = house.type("schemas", "export", str(spec))
    assert (typed.code, typed.out) == (BAD_INPUT, "")
    assert "name a folder" in typed.err


def test_a_log_that_is_away_is_named_and_what_was_ordered_is_kept(house: House, spec: Path):
    away = f"kafka://127.0.0.1:{free_port()}"
    checked = house.start("topics", "check", MUSTER_LOG=away)
    filed = house.start("request", "file", str(spec), "--json", MUSTER_LOG=away)
    assert checked.code == UNREACHABLE
    assert "MUSTER_LOG" in checked.err
    assert filed.code == DONE
    assert "Saved" in filed.err
    assert filed.facts["request_id"]


def test_a_database_that_is_away_is_named(house: House):
    away = f"postgresql://muster@127.0.0.1:{free_port()}/muster"
    typed = house.type("appeal", "list", MUSTER_DATABASE=away)
    assert typed.code == UNREACHABLE
    assert "MUSTER_DATABASE" in typed.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MUSTER_LOG", "kafka.example:9092"),
        ("MUSTER_DATABASE", "mysql://muster@db/muster"),
        ("MUSTER_DATABASE", "postgresql://muster@db:port/muster"),
        ("MUSTER_HOME", "/dev/null/home"),
        ("MUSTER_SHARDS", "none"),
        ("MUSTER_SMS__PORT", "0"),
        ("MUSTER_CLOCK__SPEED", "0"),
    ],
)
def test_a_wrong_setting_is_named(house: House, name: str, value: str):
    typed = house.type("appeal", "list", **{name: value})
    assert typed.code == BAD_INPUT
    assert typed.err.startswith(f"{name}: ")
    assert len(typed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"MUSTER_EMAIL__HOST": "mail"}, "MUSTER_EMAIL__SECRET"),
        ({"MUSTER_EMAIL__SECRET": "short"}, "MUSTER_EMAIL__SECRET"),
        ({"MUSTER_EMAIL_INBOUND__DOMAIN": "in.centre.test"}, "MUSTER_EMAIL__INBOUND_DOMAIN"),
    ],
)
def test_half_an_email_channel_is_none(house: House, settings: dict[str, str], named: str):
    typed = house.type("appeal", "list", **settings)
    assert typed.code == BAD_INPUT
    assert named in typed.err
    assert "short" not in typed.err.replace("shorter", "")


def test_another_releases_database_and_log_are_refused_untouched(tmp_path: Path):
    house = House(tmp_path / "home")
    assert house.type("topics", "create").code == DONE
    for name, statement in {
        "muster.db": "UPDATE muster_version SET version_num = '9999'",
        "log.db": "PRAGMA user_version = 99",
    }.items():
        with sqlite3.connect(house.home / name) as connection:
            connection.execute(statement)
        connection.close()
        before = (house.home / name).read_bytes()
        typed = house.type("topics", "check")
        assert typed.code == REFUSED, typed.err
        assert "99" in typed.err
        assert (house.home / name).read_bytes() == before
        (house.home / name).unlink()


def test_a_second_worker_on_the_embedded_log_is_refused(house: House):
    with house.working("up"):
        second = house.start("worker", MUSTER_METRICS_PORT="0")
        assert second.code == REFUSED
        assert "already runs" in second.err
        assert len(second.err.splitlines()) == 1  # nothing was opened before, least of all a link to the gateway
        taken = house.start("worker")
        assert taken.code == UNREACHABLE
        assert taken.err.startswith("MUSTER_METRICS_PORT")


def test_the_web_pages_need_the_secret_of_the_links(house: House):
    typed = house.type("console")
    assert typed.code == BAD_INPUT
    assert typed.err.startswith("MUSTER_EMAIL__SECRET: ")


def test_help_names_every_command_and_the_exit_codes(house: House):
    typed = house.type("--help")
    assert typed.code == DONE
    assert "0 done, 1 the check found a difference, 2 bad input, 3 refused, 4 something cannot be reached" in " ".join(
        typed.out.split()
    )
    assert house.type("appeal", "lunch").code == BAD_INPUT
    assert json.loads(house.type("request", "list", "--json").out)
