"""All settings, read once at the door.  Every adapter owns its part; here they are only gathered."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from notifiers.email.settings import EmailInboundSettings, EmailSettings
from notifiers.smpp.settings import SMSSettings
from schemas.base import LARGEST_BATCH, Contract
from streams.errors import BadLogURL
from streams.url import parse


class ClockSettings(Contract):
    """Appeal time; only rehearsals run it faster than the real one."""

    start: AwareDatetime | None = Field(default=None, description="When a rehearsal's clock began; none = now")
    speed: float = Field(default=1.0, gt=0, le=10_000, description="How many times as fast it runs; 1 = real time")


class DispatchSettings(Contract):
    """How mass messages are cut up and how many are out of the decider's hands at once."""

    batch_size: int = Field(
        default=LARGEST_BATCH, ge=1, le=LARGEST_BATCH, description="Members of one batch, and of one claim, at most"
    )
    release_ahead: int = Field(default=60_000, ge=1, description="Members released and not yet sent, at most")
    concurrency: int = Field(default=8, ge=1, le=256, description="Batches under way at once in one worker")
    lease_seconds: float = Field(default=3.0, gt=0.5, le=30, description="So long a silent worker keeps its work")

    @model_validator(mode="after")
    def _room_for_a_batch(self) -> "DispatchSettings":
        if self.release_ahead < self.batch_size:
            raise ValueError("release_ahead must hold at least one batch: raise it, or lower batch_size")
        return self


class Settings(BaseSettings):
    """`MUSTER_*` in the environment, nested parts with two underscores: MUSTER_SMS__HOST."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", env_nested_delimiter="__", frozen=True, extra="ignore")

    home: Path = Field(
        default_factory=lambda: Path.home() / ".muster", description="Folder of the embedded log and database"
    )
    log: str = Field(default="", description="sqlite:////folder/log.db or kafka://host:9092; empty = in MUSTER_HOME")
    database: str = Field(
        default="",
        description="sqlite:////folder/muster.db or postgresql://user:password@host/name; empty = in MUSTER_HOME",
    )
    ledger_copy: Path | None = Field(
        default=None,
        description="Second folder, best on another disk: what is claimed is also written there, and `muster restore` reads it",
    )
    snapshots: Path | None = Field(
        default=None,
        description="Folder in which workers keep what they know of members, for a quicker start; "
        "empty = in MUSTER_HOME, and with PostgreSQL nowhere",
    )
    journals: Path | None = Field(
        default=None,
        description="Folder in which workers keep how far they have come with what they claimed, shared by all workers, "
        "which must run on one machine; empty = in MUSTER_HOME, and with PostgreSQL nowhere",
    )
    session_seconds: float = Field(
        default=6.0,
        ge=2,
        le=60,
        description="On Kafka a worker silent for so long loses its partitions; "
        "not below the broker's group.min.session.timeout.ms, which is 6 s unless set otherwise",
    )
    shards: int = Field(default=8, ge=1, le=64, description="Shards of the registry; fixed once an appeal ran")
    metrics_host: str = Field(default="127.0.0.1", description="Address on which the metrics port listens")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="0 = no metrics port")
    http_host: str = Field(default="127.0.0.1", description="Address on which the web pages are served")
    http_port: int = Field(default=0, ge=0, le=65535, description="Where the one-click opt-out listens; 0 = nowhere")
    log_level: Literal["debug", "info", "warning"] = Field(
        default="info", description="What is worth a line in the logs; debug = every batch, too"
    )
    staff: str = Field(default_factory=lambda: os.environ.get("USER", "officer"), description="Who gives the orders")
    clock: ClockSettings = ClockSettings()
    sms: SMSSettings = SMSSettings()
    email: Annotated[EmailSettings | None, Field(description="None = no e-mail")] = None
    email_inbound: Annotated[EmailInboundSettings | None, Field(description="None = no listener for answers")] = None
    dispatch: DispatchSettings = DispatchSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_folder(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Without any setting log and database lie in one folder."""
        home = Path(values.get("home") or Path.home() / ".muster").expanduser().absolute()
        values["home"] = home
        values["log"] = values.get("log") or f"sqlite:///{home}/log.db"
        values["database"] = values.get("database") or f"sqlite:///{home}/muster.db"
        for folder in ("snapshots", "journals"):
            if not values.get(folder) and str(values["database"]).startswith("sqlite"):
                values[folder] = home
        return values

    @field_validator("ledger_copy", "snapshots", "journals", mode="before")
    @classmethod
    def _names_a_folder(cls, folder: str | Path | None) -> Path | None:
        return Path(folder).expanduser().absolute() if folder else None

    @field_validator("log")
    @classmethod
    def _names_a_log(cls, url: str) -> str:
        try:
            parse(url)
        except BadLogURL as exc:
            raise ValueError(str(exc).removeprefix("MUSTER_LOG: ")) from None
        return url

    @field_validator("database")
    @classmethod
    def _names_a_database(cls, url: str) -> str:
        try:
            backend = make_url(url).get_backend_name()
        except (ArgumentError, ValueError):
            backend = ""
        if backend not in {"sqlite", "postgresql"}:
            raise ValueError("write sqlite:////folder/muster.db, or postgresql://user:password@host:5432/name")
        return url

    @property
    def database_key(self) -> str:
        """Tells databases apart in the names of files: a home may be used with several of them."""
        return sha256(self.database.encode()).hexdigest()[:12]

    @property
    def members_folder(self) -> Path | None:
        """Where workers keep the members of this database; None = nowhere."""
        return self.snapshots / f"members-{self.database_key}" if self.snapshots else None

    @property
    def journals_folder(self) -> Path | None:
        """Where workers keep the progress of what they claimed in this database; None = nowhere."""
        return self.journals / f"journals-{self.database_key}" if self.journals else None

    @model_validator(mode="after")
    def _answers_find_home(self) -> Self:
        """Answers are known by ids that were signed for the domain in the letters."""
        inbound = self.email_inbound
        if inbound is not None and (self.email is None or self.email.inbound_domain != inbound.domain):
            raise ValueError(
                "MUSTER_EMAIL__INBOUND_DOMAIN and MUSTER_EMAIL_INBOUND__DOMAIN: set both, and to the same domain"
            )
        return self


class BadSettings(ValueError):
    """A setting is wrong; the text names the variable and the remedy, never a secret's value."""


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.  Raises `BadSettings`."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        problems = exc.errors(include_input=False, include_url=False)
        raise BadSettings("\n".join(_line(problem) for problem in problems)) from None


def _line(problem: ErrorDetails) -> str:
    reason = "must be set, too" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
    name = "__".join(str(part).upper() for part in problem["loc"])
    return f"MUSTER_{name}: {reason}" if name else reason
