"""Old and new workers may take turns with one appeal."""

import json

from decisions.appeals.decide import advance
from decisions.appeals.state import read_state
from tests.decisions.appeals.samples import NIGHT, answered, launch


def test_what_a_newer_worker_has_written_is_kept():
    state, _ = advance(None, launch(), NIGHT)
    stored = json.loads(state.model_dump_json())
    stored["invented_later"] = {"by": ["a newer worker"]}
    stored["waves"][0]["invented_later"] = 7
    older, _ = advance(read_state(json.dumps(stored)), answered(7), NIGHT)
    kept = json.loads(older.model_dump_json())
    assert kept["invented_later"] == {"by": ["a newer worker"]}
    assert kept["waves"][0]["invented_later"] == 7
    assert read_state(state.model_dump_json()) == state
