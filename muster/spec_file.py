"""The appeal spec as a file: read, and what is wrong with it said so that its writer can put it right."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode

from schemas.base import Contract
from schemas.spec import AppealSpec, BloodNeed, Texts, WaveSpec

_PARTS: Final[Mapping[str, type[Contract]]] = {"blood": BloodNeed, "waves": WaveSpec, "texts": Texts}
_EXAMPLES: Final = {
    "programme": "programme: platelets",
    "need": "need: 15",
    "deadline": "deadline: 4h",
    "waves": "waves: [{blood: known}, {blood: unknown, after: 45m}]",
    "blood": "blood: {abo: AB}",
    "blood.abo": "blood: {abo: AB}",
    "texts.mass": "mass: {zh: ..., en: ...}",
}
_MOMENT: Final = "a moment with its zone: 2030-05-01T18:00:00+08:00"
_BRANCH: Final = re.compile(r"\[|^datetime$")  # where a field may be one of several things, their names end its path
_WIDE_COLON: Final = re.compile(r"^[\s\-{]*[a-z_]+\s*：", re.MULTILINE)
_QUOTED: Final = re.compile(r"'([^']+)'")


class UnusableSpec(ValueError):
    """The file is no appeal spec; one line for each thing that is wrong, with field and remedy, never with a value."""


def read_spec_file(path: Path) -> AppealSpec:
    """The spec in this YAML file.  Raises `UnusableSpec`."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, _OncePerField)  # noqa: S506 - a SafeLoader
    except OSError as exc:
        raise UnusableSpec(f"{path}: {exc.strerror}: give the path of a YAML file") from exc
    except UnicodeDecodeError as exc:
        raise UnusableSpec(f"{path}: is not UTF-8: save it as UTF-8") from exc
    except yaml.YAMLError as exc:
        raise UnusableSpec(f"{path}: {_wide_colon(text) or _place(exc)}") from exc
    if content is None:
        raise UnusableSpec(f"{path}: is empty: `muster request file --help` shows a whole spec")
    if not isinstance(content, dict):
        lines = "write `field: value` lines: `muster request file --help` shows a whole spec"
        raise UnusableSpec(f"{path}: {_wide_colon(text) or lines}")
    try:
        return AppealSpec.model_validate(content)
    except ValidationError as exc:
        raise UnusableSpec(_problems(exc)) from exc


class _OncePerField(yaml.SafeLoader):
    """YAML as it is meant: a field that stands there twice is a slip, not the last one's victory."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - theirs
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise ConstructorError(None, None, "a field stands there twice: leave one of them out", key.start_mark)
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _wide_colon(text: str) -> str:
    """Where a Chinese keyboard wrote a colon that YAML does not know as one, and what to write; empty if nowhere."""
    found = _WIDE_COLON.search(text)
    if found is None:
        return ""
    line = text.count("\n", 0, found.end()) + 1
    return f"line {line}: the colon is full-width: write `: ` instead, with a space after it"


def _place(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without quoting it."""
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark is not None else ""
    if isinstance(error, ConstructorError):
        return f"{line}{error.problem}"
    reason = getattr(error, "problem", None) or "there are characters that no text has"
    return f"{line}is not YAML: {reason}: check quotes, brackets and that spaces indent, not tabs"


def _problems(error: ValidationError) -> str:
    problems: dict[str, list[str]] = {}
    found = error.errors(include_input=False, include_url=False)
    inside = {other["loc"][: len(other["loc"]) - n] for other in found for n in range(1, len(other["loc"]))}
    for item in found:
        if item["type"] == "too_short" and item["loc"] in inside:
            continue  # what is wrong inside a list is not counted as being there
        # Waves and other items count from 1, as they do on every page.
        path = [part + 1 if isinstance(part, int) else part for part in item["loc"]]
        field = ".".join(str(part) for part in path if not _BRANCH.search(str(part)))
        said = _in_words(field, item)
        if not field:  # said of several fields together; then it names them itself
            field, _, said = said.partition(": ")
        if item["type"].startswith("timezone"):
            problems[field] = [said]  # then it was meant as a moment, and nothing else need be said
        elif said not in problems.setdefault(field, []):
            problems[field].append(said)
    return "\n".join(f"{field}: {'; or '.join(said)}" for field, said in problems.items())


def _in_words(field: str, item: ErrorDetails) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(item["loc"])
    if kind == "missing":
        return f"is missing: add for example `{_EXAMPLES.get(field, field.rpartition('.')[2] + ': ...')}`"
    if kind.startswith("timezone"):
        return f"its zone is missing: write {_MOMENT}"
    if kind.startswith("datetime"):
        return f"write {_MOMENT}"
    if kind in {"model_type", "dict_type"}:
        return f"write its fields, for example `{_EXAMPLES.get(field, '{field: value}')}`"
    words = _REMEDIES.get(kind)
    return words(context) if words else item["msg"].removeprefix("Value error, ")


def _unknown(path: tuple[int | str, ...]) -> str:
    """A field that nobody knows: perhaps a slip of one that is known."""
    known = list(_PARTS.get(str(path[0]), AppealSpec).model_fields) if path[1:] else list(AppealSpec.model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    meant = f"is it `{close[0]}`?  " if close else ""
    return f"there is no such field: {meant}There are {', '.join(known)}"


def _choices(context: Mapping[str, Any]) -> str:
    return f"write one of: {', '.join(_QUOTED.findall(str(context['expected'])))}"


_NUMBER: Final = "write a whole number, such as 15"
_REMEDIES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "enum": _choices,
    "literal_error": _choices,
    "int_parsing": lambda _: _NUMBER,
    "int_type": lambda _: _NUMBER,
    "int_from_float": lambda _: _NUMBER,
    "greater_than_equal": lambda context: f"write {context['ge']} or more",
    "less_than_equal": lambda context: f"write {context['le']} or less",
    "too_short": lambda context: f"write at least {context['min_length']}",
    "too_long": lambda context: f"write at most {context['max_length']}",
    "string_type": lambda _: "write text; put numbers in quotes",
    "string_pattern_mismatch": lambda _: "write small Latin letters with hyphens between them, such as whole-blood",
    "tuple_type": lambda _: "write a list: [first, second]",
}
