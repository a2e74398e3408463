"""What must be known of the mail server, and of the domain under which answers come back."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

Domain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", to_lower=True, max_length=253)]
Mailbox = Annotated[str, StringConstraints(pattern=r"^[!-;=?A-~]+@[A-Za-z0-9.-]+$", max_length=254)]
Seconds = Annotated[float, Field(gt=0)]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_SECRET = 16


class EmailSettings(BaseModel):
    """How letters leave.  `secret` signs links and message ids: changing it makes links already mailed useless."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="The mail server that takes our letters")
    port: int = Field(default=25, ge=1, le=65535, description="Its SMTP port")
    username: str | None = Field(default=None, description="Our account there, where it wants one")
    password: SecretStr | None = Field(default=None, description="Its password")
    starttls: bool = Field(default=False, description="Encrypt the connection")
    ca_file: Path | None = Field(default=None, description="Trusted certificates, where the system's do not suffice")
    sender: Mailbox = Field(default="appeals@muster.invalid", description="Whom letters come from: the address")
    sender_name: str = Field(default="Muster", description="Whom letters come from: the name")
    inbound_domain: Domain | None = Field(default=None, description="Where answers, bounces and opt-outs are received")
    public_url: str | None = Field(default=None, description="https:// address under which members reach /u/...")
    secret: SecretStr = Field(
        description="Signs links and ids in letters; with it there is e-mail: openssl rand -hex 32"
    )
    connections: int = Field(default=4, ge=1, le=64, description="Connections to the mail server")
    window: int = Field(default=64, ge=1, description="Letters claimed and not yet durably recorded")
    rate: float | None = Field(default=None, gt=0, description="Letters a second, over all connections")
    attempts: int = Field(default=5, ge=1, description="How often a mailbox that is busy for now is tried")
    connect_seconds: Seconds = Field(default=20.0, description="How long connecting and logging in may take")
    command_seconds: Seconds = Field(default=30.0, description="How long the answer to a command may take")
    verdict_seconds: Seconds = Field(default=120.0, description="How long the answer to a whole letter may take")
    idle_seconds: Seconds = Field(default=30.0, description="A connection unused for so long is closed")
    pause_seconds: Seconds = Field(default=0.2, description="First pause after trouble; doubles each time")
    longest_pause_seconds: Seconds = Field(default=30.0, description="Longest pause after trouble")

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"give at least {SHORTEST_SECRET} characters: openssl rand -hex 32")
        return secret

    @field_validator("public_url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        # RFC 8058 knows one-click over https only; mailbox providers pass any other link over.
        if url is None:
            return None
        if not url.startswith("https://") or not url.isascii() or any(c in url for c in " <>,"):
            raise ValueError("must be a plain https:// address, without spaces, commas or angle brackets")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> Self:
        if self.username is not None and not self.starttls and self.host not in LOOPBACK:
            raise ValueError("username without starttls would send the password in clear: set starttls")
        return self

    @property
    def domain(self) -> str:
        """Right-hand side of our message ids."""
        return self.inbound_domain or self.sender.rpartition("@")[2].lower()


class EmailInboundSettings(BaseModel):
    """How answers arrive: the mail server in front hands everything for `domain` to this listener."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address on which the listener for answers listens")
    port: int = Field(default=2525, ge=0, le=65535, description="Its port; 0 takes a free one")
    domain: Domain = Field(description="The same as MUSTER_EMAIL__INBOUND_DOMAIN; with it there is a listener")
    max_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, description="Larger messages are refused")
    connections: int = Field(default=64, ge=1, description="More at a time are asked to come again")
    idle_seconds: Seconds = Field(default=60.0, description="A session silent for so long is closed")
    commit_seconds: Seconds = Field(default=20.0, description="After so long the sender is asked to try again")
