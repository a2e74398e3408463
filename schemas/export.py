"""The published form of what is said: one JSON Schema per type, for whoever reads our topics without our code."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas.envelope import Envelope
from schemas.reader import CLASSES
from schemas.spec import AppealSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def export(folder: Path) -> list[Path]:
    """Write `TYPE.json` for every message, the envelope and the appeal spec; the files, sorted.  Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in sorted(published().items()):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


def published() -> dict[str, dict[str, Any]]:
    """The schemas by name: a message's name is its `type`."""
    documents: dict[str, type[BaseModel]] = {"envelope": Envelope, "appeal-spec": AppealSpec}
    return {name: _schema(name, cls) for name, cls in (documents | CLASSES).items()}


def _schema(name: str, cls: type[BaseModel]) -> dict[str, Any]:
    schema = {"$schema": DIALECT, "$id": f"{name}.json", **cls.model_json_schema()}
    if "type" in schema["properties"] and name in CLASSES:
        # It has a default only for whoever makes the object; on the wire the reader tells messages apart by it.
        schema["required"] = ["type", *(field for field in schema.get("required", ()) if field != "type")]
    return schema
