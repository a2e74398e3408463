"""`muster doctor`: each finding with its remedy, and nothing changed by looking."""

import pytest

from tests.muster.house import House
from tests.servers.process import free_port

WELL, ILL = 0, 4


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path / "home", {"MUSTER_SMS__PORT": str(free_port())})


def findings(house: House, **settings: str) -> tuple[int, dict[str, dict]]:
    typed = house.type("doctor", "--json", **settings)
    return typed.code, {finding["check"]: finding for finding in typed.facts["findings"]}


def test_before_anything_was_made_it_says_how_to_make_it_and_makes_nothing(house: House):
    code, found = findings(house)
    assert code == ILL
    assert {check for check, finding in found.items() if not finding["fine"]} == {
        "database",
        "log",
        "worker",
        "gateway",
    }
    assert "muster up" in found["database"]["remedy"]
    assert not house.home.exists()


def test_it_is_well_while_a_worker_and_a_gateway_run(house: House):
    gateway = ("smsc-sim", "--port", house.settings["MUSTER_SMS__PORT"], "--http-port", str(free_port()))
    assert house.type("topics", "create").code == WELL
    with house.running(*gateway, ready=lambda: findings(house)[1]["gateway"]["fine"]), house.working():
        code, found = findings(house)
        assert (code, [finding for finding in found.values() if not finding["fine"]]) == (WELL, [])
        assert house.type("doctor").out.splitlines()[-1] == "All is well."
    code, found = findings(house)
    assert (code, {check for check, finding in found.items() if not finding["fine"]}) == (ILL, {"worker", "gateway"})


def test_every_trouble_has_a_remedy_below_it(house: House):
    database = f"postgresql://muster@127.0.0.1:{free_port()}/muster"
    log = f"kafka://127.0.0.1:{free_port()}"
    typed = house.start("doctor", MUSTER_LOG=log, MUSTER_DATABASE=database)
    lines = typed.out.splitlines()
    troubles = [line.split()[1] for line in lines if line.startswith("!!")]
    assert troubles == ["database", "log", "worker", "gateway", "clock"]
    assert sum("→" in line for line in lines) == len(troubles)
    assert lines[-1] == "5 of 6 need care."


def test_a_mail_server_is_looked_for_where_email_is_set_up(house: House):
    settings = {"MUSTER_EMAIL__SECRET": "a secret of the tests", "MUSTER_EMAIL__PORT": str(free_port())}
    assert not findings(house, **settings)[1]["e-mail"]["fine"]
    assert "e-mail" not in findings(house)[1]


@pytest.mark.postgres
def test_an_empty_database_on_a_server_stays_empty(house: House, postgres_url: str):
    for _ in range(2):
        assert findings(house, MUSTER_DATABASE=postgres_url)[1]["database"]["seen"] == "not made yet"
    assert house.type("database", "migrate", MUSTER_DATABASE=postgres_url).code == WELL
    assert findings(house, MUSTER_DATABASE=postgres_url)[1]["database"]["fine"]
    assert findings(house, MUSTER_DATABASE=postgres_url)[1]["clock"]["fine"]
