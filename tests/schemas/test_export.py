"""What is published, and a snapshot that shows when a published type changes.

After a change that is meant: `python -m tests.schemas.test_export`, and look at the difference.  Adding a type or an
optional field is one; a changed meaning is a new type.
"""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from schemas.export import export, published
from schemas.reader import CLASSES, Message, write
from tests.schemas.examples import EXAMPLES, SPEC

SNAPSHOT = Path(__file__).parent / "snapshot"


def _read(folder: Path) -> dict[str, object]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.iterdir())}


def test_a_published_type_has_not_changed(tmp_path: Path):
    export(tmp_path)
    meant = "if that is meant, `python -m tests.schemas.test_export` writes the snapshot again; look at the difference"
    assert _read(tmp_path) == _read(SNAPSHOT), meant


def test_every_type_has_a_file(tmp_path: Path):
    written = export(tmp_path / "deep" / "folder")
    assert [path.name for path in written] == sorted(path.name for path in (tmp_path / "deep" / "folder").iterdir())
    assert {path.stem for path in written} == {"envelope", "appeal-spec", *CLASSES}


@pytest.mark.parametrize("name", published())
def test_a_schema_is_a_schema(name: str):
    Draft202012Validator.check_schema(published()[name])


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_what_we_write_is_what_we_publish(message: Message):
    Draft202012Validator(published()[message.type]).validate(json.loads(write(message)))


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_a_body_without_its_type_or_of_another_is_none_of_these(message: Message):
    validator = Draft202012Validator(published()[message.type])
    body = json.loads(write(message))
    with pytest.raises(ValidationError):
        validator.validate({name: value for name, value in body.items() if name != "type"})
    with pytest.raises(ValidationError):
        validator.validate(body | {"type": "muster.another"})


@pytest.mark.parametrize("deadline", ["4h", "1d 12h", "0.5s", "2011-11-24T16:00:00Z"])
def test_a_spec_with_its_deadline_as_people_write_it(deadline: str):
    body = json.loads(SPEC.model_dump_json(exclude_none=True)) | {"deadline": deadline}
    Draft202012Validator(published()["appeal-spec"]).validate(body)


if __name__ == "__main__":
    for old in SNAPSHOT.glob("*.json"):
        old.unlink()
    export(SNAPSHOT)
