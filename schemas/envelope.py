"""The CloudEvents 1.0 envelope, carried in headers (Kafka binary mode) on both logs."""

import re
from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime, Field, field_validator

from schemas.base import Contract

Headers = tuple[tuple[str, bytes], ...]
CONTENT_TYPE = "application/json"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject")


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
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> "Envelope":
        """The envelope in these headers.  Raises `ValueError` naming the attribute that is missing or wrong."""
        attributes = {}
        for name, value in headers:
            if name.startswith("ce_") and name[3:] in _ATTRIBUTES:
                attributes[name[3:]] = value.decode("utf-8")
        return cls.model_validate_strings(attributes)
