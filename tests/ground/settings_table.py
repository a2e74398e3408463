"""docs/settings.md, written from the settings themselves: python -m tests.ground.settings_table"""

import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from muster.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """\
# Settings

Every setting is an environment variable; this page is made from the code (`python -m tests.ground.settings_table`).
The few that matter at first are in [cli.md](cli.md). Values are read once, when a process starts; a wrong one is named and
nothing is started.

| variable | without it | meaning |
| --- | --- | --- |
"""


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every variable, with the field that it fills."""
    yield from _of(Settings, "MUSTER_")


def _of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        part = _part(field.annotation)
        if part is None:
            yield f"{prefix}{name.upper()}", field
        else:
            yield from _of(part, f"{prefix}{name.upper()}__")


def _part(annotation: object) -> type[BaseModel] | None:
    """The model that a nested part is, be it optional or not."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_part, typing.get_args(annotation))), None)


def table() -> str:
    lines = (f"| `{name}` | {_default(field)} | {_cell(field.description or '')} |" for name, field in settings())
    return HEAD + "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.default_factory is not None:
        return "`~/.muster`" if field.annotation is Path else "`$USER`"
    if default is PydanticUndefined:
        return "must be given where others of this part are"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default in (None, "", {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
