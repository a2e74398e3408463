"""The CloudEvents 1.0 envelope, carried in headers (Kafka binary mode) on both logs."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from schemas.base import Contract

Headers = tuple[tuple[str, bytes], ...]
CONTENT_TYPE = "application/json"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject")
_NAME = re.compile(r"[a-z0-9]+")
# Pydantic alone would also take seconds since 1970 and a space for the T, which are no CloudEvents timestamps.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Envelope(Contract):
    """Who said what when, about whom.  `source` and `id` together name an event: the same pair is the same event."""

    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200, description="URI-reference of the component that wrote it")
    type: str = Field(min_length=1, max_length=100)
    time: AwareDatetime
    subject: str | None = Field(default=None, max_length=200)
    specversion: str = Field(default="1.0", pattern=r"^1\.0$")

    @field_validator("id", "source", "type", "subject")
    @classmethod
    def _no_control_characters(cls, value: str | None) -> str | None:
        if value is not None and _FORBIDDEN.search(value):
            raise ValueError("control characters and lone surrogates are not allowed in a CloudEvents string")
        return value

    def to_headers(self) -> Headers:
        """The attributes as `ce_*` headers in a fixed order, `content-type` first."""
        pairs = [("content-type", CONTENT_TYPE.encode())]
        for name in _ATTRIBUTES:
            value = getattr(self, name)
            if value is not None:
                text = value.isoformat() if isinstance(value, datetime) else value
                pairs.append((f"ce_{name}", text.encode()))
        return tuple(pairs)

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> "Envelope":
        """The envelope in these headers; attributes that we do not use are left out.

        Raises `ValueError` that names the attribute that is missing or wrong and never quotes its value.
        """
        attributes = dict(_attributes(headers))
        if "specversion" not in attributes:
            raise ValueError("ce_specversion: missing")
        if not _RFC_3339.fullmatch(attributes.get("time", "")):
            raise ValueError("ce_time: missing, or no moment with a zone as RFC 3339 writes it")
        try:
            return cls.model_validate_strings(attributes)
        except ValidationError as exc:
            wrong = exc.errors(include_input=False, include_url=False, include_context=False)
            raise ValueError("; ".join(f"ce_{error['loc'][0]}: {error['type']}" for error in wrong)) from None


def _attributes(headers: Iterable[tuple[str, bytes | None]]) -> Iterator[tuple[str, str]]:
    for header, value in headers:
        if not header.startswith("ce_"):
            continue
        name = header.removeprefix("ce_")
        if not _NAME.fullmatch(name):
            raise ValueError("an attribute's name consists of lower-case letters and digits")
        if name in _ATTRIBUTES:
            try:
                yield name, (value or b"").decode()
            except UnicodeDecodeError:
                raise ValueError(f"{header}: not UTF-8") from None
