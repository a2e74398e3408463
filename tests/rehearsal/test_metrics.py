"""The simulator's page for Prometheus."""

import re

from rehearsal.smsc.metrics import METRICS
from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import submit


async def test_the_page_counts_what_the_witness_counts_and_names_nobody(start: Start) -> None:
    running = await start()
    client = await running.client()
    numbers = ("17900000000", "17900000001", "17900000002", "17900000000")
    client.write(b"".join(submit(number, sequence=n) for n, number in enumerate(numbers, 1)))
    assert {answer.status for answer in await client.read_many(4)} == {0}
    async with running.session.get(f"{running.base}/metrics") as response:
        page = await response.text()
    values = dict(re.findall(r"^(\S+) ([0-9.]+)$", page, re.MULTILINE))
    assert {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")} == set(METRICS)
    assert values['muster_smsc_sim_messages_total{kind="mass"}'] == "4.0"
    assert values["muster_smsc_sim_doubled_count"] == "1.0"
    assert values["muster_smsc_sim_binds_count"] == "1.0"
    assert "1790000" not in page
    assert "a-0001" not in page
