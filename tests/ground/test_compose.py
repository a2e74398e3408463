"""docker-compose.yml cannot be started here; all that can be known of it without Docker is tried."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.ground.compose import ROOT, Machine, compose, ours
from tests.muster.house import page
from tests.notifiers_email.conftest import SECRET, mail_server
from tests.servers.process import ServerProcess

GIVEN = {"MUSTER_DATABASE_PASSWORD": "unused", "MUSTER_EMAIL_SECRET": SECRET}
METRICS = "muster_worker_ready"


def test_it_is_what_the_compose_specification_allows():
    # The package itself does not import with every version of click, and only its schema is needed.
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    schema = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose(), json.loads(schema.read_text(encoding="utf-8")))


def test_everything_that_issue_and_readme_name_is_there():
    images = {name: service["image"].split(":")[0] for name, service in compose()["services"].items()}
    assert images == {
        "kafka": "apache/kafka",
        "postgres": "postgres",
        "set-up": "muster",
        "worker": "muster",
        "console": "muster",
        "smsc-sim": "muster",
        "mail": "axllent/mailpit",
        "prometheus": "prom/prometheus",
    }
    assert all(
        ":latest" not in service["image"] and ":" in service["image"] for service in compose()["services"].values()
    )


def test_there_may_be_many_workers():
    worker = compose()["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker  # a port of the machine could belong to one of them only


def test_nothing_is_served_beyond_this_machine_unasked():
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_is_written_into_it():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    secrets = [
        line for line in text.splitlines() if ("PASSWORD" in line or "SECRET" in line) and not line.startswith("#")
    ]
    assert secrets
    assert all(":?" in line for line in secrets)
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_whoever_is_waited_for_is_there_and_can_be_waited_for():
    services, volumes = compose()["services"], compose()["volumes"]
    for service in services.values():
        waits = service.get("depends_on", {})
        for name in waits:
            assert name in services
            healthy = isinstance(waits, dict) and waits[name]["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in services[name]
        named = [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")]
        assert set(named) <= set(volumes)


def test_prometheus_asks_whom_the_file_names():
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    services = compose()["services"]
    (workers,) = next(job for job in jobs if job["job_name"] == "worker")["dns_sd_configs"]
    assert workers["names"] == ["worker"]
    assert str(workers["port"]) == services["worker"]["environment"]["MUSTER_METRICS_PORT"]
    (console,) = next(job for job in jobs if job["job_name"] == "console")["static_configs"]
    assert console["targets"] == [f"console:{services['console']['environment']['MUSTER_HTTP_PORT']}"]
    mounted = services["prometheus"]["volumes"][0].split(":")[0]
    assert (ROOT / mounted).is_file()


@contextmanager
def started(machine: Machine, name: str) -> Iterator[ServerProcess]:
    """The service's command, once the service's own health check is content."""
    service = ours()[name]
    environment = machine.environment(service)
    process = ServerProcess(machine.command(service), log=machine.folder / f"{name}.log", environment=environment)

    def healthy() -> bool:
        check = subprocess.run(machine.check(service), env=environment, capture_output=True, timeout=30, check=False)
        return check.returncode == 0

    process.wait_until(healthy, seconds=60)
    try:
        yield process
    finally:
        process.stop()


def typed(machine: Machine, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command typed inside a service."""
    return subprocess.run(
        words, env=machine.environment(ours()[name]), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
def test_each_of_our_services_does_what_the_file_says(kafka_url: str, postgres_url: str, tmp_path: Path):
    (tmp_path / "mail").mkdir()
    with mail_server(tmp_path / "mail") as mail, ExitStack() as services:
        machine = Machine(
            folder=tmp_path,
            variables=GIVEN,
            ports={"1025": mail.port},
            addresses={
                "kafka://kafka:9092": kafka_url,
                "postgresql://muster:unused@postgres:5432/muster": postgres_url,
            },
        )
        set_up = typed(machine, "set-up", *machine.command(ours()["set-up"]))
        assert set_up.returncode == 0, set_up.stderr
        assert "All topics are as they should be" in set_up.stdout

        services.enter_context(started(machine, "smsc-sim"))
        services.enter_context(started(machine, "worker"))
        services.enter_context(started(machine, "console"))

        assert json.loads(page(f"http://127.0.0.1:{machine.port('2776')}/health"))["binds"] == 1
        assert f"{METRICS} 1.0" in page(f"http://127.0.0.1:{machine.port('9100')}/metrics")
        assert "muster_console_opt_outs_total" in page(f"http://127.0.0.1:{machine.port('8080')}/metrics")
        doctor = typed(machine, "worker", "muster", "doctor", "--json")
        assert doctor.returncode == 0, doctor.stdout
        assert json.loads(doctor.stdout)["fine"]
