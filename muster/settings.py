"""All settings, read once at the door.  Every adapter owns its part; here they are only gathered."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from notifiers.email.settings import EmailSettings
from notifiers.smpp.settings import SMSSettings
from schemas.base import Contract


class ClockSettings(Contract):
    """Appeal time; only rehearsals run it faster than the real one."""

    start: AwareDatetime | None = None
    speed: float = Field(default=1.0, gt=0, le=10_000)


class DispatchSettings(Contract):
    """How mass messages are cut up and how many are out of the decider's hands at once."""

    batch_size: int = Field(default=256, ge=1, le=256)
    release_ahead: int = Field(default=60_000, ge=256, description="About two seconds of sending")
    concurrency: int = Field(default=32, ge=1, le=256, description="Batches under way at once in one worker")
    lease_seconds: float = Field(default=3.0, gt=0.5, le=30)


class Settings(BaseSettings):
    """`MUSTER_*` in the environment, nested parts with two underscores: MUSTER_SMS__HOST."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", env_nested_delimiter="__", frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".muster")
    log: str = ""
    database: str = ""
    shards: int = Field(default=8, ge=1, le=64)
    metrics_port: int = Field(default=0, ge=0, le=65535, description="0 = no metrics port")
    http_port: int = Field(default=0, ge=0, le=65535, description="Where the one-click opt-out listens; 0 = nowhere")
    staff: str = Field(default_factory=lambda: os.environ.get("USER", "officer"), description="Who gives the orders")
    clock: ClockSettings = ClockSettings()
    sms: SMSSettings = SMSSettings()
    email: Annotated[EmailSettings | None, Field(description="None = no e-mail")] = None
    dispatch: DispatchSettings = DispatchSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_folder(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Without any setting log and database lie in one folder."""
        home = Path(values.get("home") or Path.home() / ".muster").expanduser().absolute()
        values["home"] = home
        values["log"] = values.get("log") or f"sqlite:///{home}/log.db"
        values["database"] = values.get("database") or f"sqlite:///{home}/muster.db"
        return values


class BadSettings(ValueError):
    """A setting is wrong; the text names the variable and the remedy, never a secret's value."""


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.  Raises `BadSettings`."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        lines = [
            f"MUSTER_{'__'.join(str(part).upper() for part in error['loc'])}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        ]
        raise BadSettings("; ".join(lines)) from None
