"""What must be known of an SMS gateway and of our account there."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from notifiers.smpp.verdicts import Verdict

Seconds = Annotated[float, Field(gt=0)]
ASCII = Annotated[str, StringConstraints(pattern=r"^[!-~]*$")]
IdForm = Literal["text", "hex", "decimal"]
_LONGEST_PASSWORD = 8
_LONGEST_ADDRESS = 20


class SMSSettings(BaseModel):
    """One gateway account.  Rate and window belong to the account: several workers divide them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="The SMS gateway")
    port: int = Field(default=2775, ge=1, le=65535, description="Its SMPP port")
    system_id: ASCII = Field(default="muster", max_length=15, description="Our account there")
    password: SecretStr = Field(default=SecretStr(""), description="Its password, at most 8 octets")
    system_type: ASCII = Field(
        default="", max_length=12, description="As the gateway's contract names it; mostly empty"
    )
    bind_mode: Literal["transceiver", "separate"] = Field(
        default="transceiver", description="separate = transmitters, and one receiver beside them"
    )
    binds: int = Field(default=1, ge=1, le=64, description="Links that send")
    urgent_bind: bool = Field(default=False, description="Keep the last of several links for urgent messages alone")

    access_number: str = Field(
        default="10690000", pattern=r"^\d{1,20}$", description="Our sender address, without slot"
    )
    slot_digits: int = Field(default=2, ge=0, le=4, description="Digits behind it that tell open appeals apart")
    source_ton: int = Field(default=1, ge=0, le=6, description="Type of number of our sender address")
    source_npi: int = Field(default=1, ge=0, le=18, description="Numbering plan of our sender address")
    dest_ton: int = Field(default=1, ge=0, le=6, description="Type of number of members' numbers")
    dest_npi: int = Field(default=1, ge=0, le=18, description="Numbering plan of members' numbers")
    national_numbers: bool = Field(default=False, description="Members' numbers go out as 11 digits, without 86")
    service_type: ASCII = Field(
        default="", max_length=5, description="As the gateway's contract names it; mostly empty"
    )

    registered_delivery: bool = Field(default=True, description="Ask for receipts")
    reference_tag: int | None = Field(default=0x1500, ge=0x1400, le=0x3FFF, description="TLV of kind/appeal/wave")
    user_message_reference: bool = Field(default=False, description="Also send a 16-bit hash of the reference")
    concatenation_bits: Literal[8, 16] = Field(default=8, description="Width of the reference that joins long messages")
    default_alphabet: Literal["gsm7", "latin1"] = Field(
        default="gsm7", description="What data_coding 0 means in replies"
    )
    response_ids: IdForm = Field(default="text", description="How the gateway writes ids when it accepts a message")
    receipt_ids: IdForm = Field(default="text", description="How it writes the same ids in the text of a receipt")
    receipt_utc_offset: float = Field(default=8, ge=-12, le=14, description="Hours: receipts carry local times")

    window: int = Field(default=256, ge=1, le=65_535, description="Messages claimed and not yet recorded, at most")
    rate: float | None = Field(default=None, gt=0, description="Parts a second over all links; none = unlimited")
    send_buffer: int = Field(default=131_072, ge=4096, description="SO_SNDBUF: unsent octets that the kernel keeps")
    own_verdicts: dict[int, Verdict] = Field(default={}, description="command_status -> what it means here")
    attempts: int = Field(default=3, ge=1, description="Times that a message with transient errors is tried")

    connect_seconds: Seconds = Field(default=10.0, description="How long connecting and binding may take")
    response_seconds: Seconds = Field(default=30.0, description="After so long without answer a message is uncertain")
    enquire_seconds: Seconds = Field(default=30.0, description="A link silent for so long is asked whether it lives")
    commit_seconds: Seconds = Field(default=10.0, description="After so long the gateway is asked to push again")
    part_seconds: Seconds = Field(default=60.0, description="So long we wait for the other parts of a long reply")
    reconnect_seconds: Seconds = Field(default=0.2, description="First pause before a link is opened again; doubles")
    longest_reconnect_seconds: Seconds = Field(default=30.0, description="Longest pause before a link is opened again")
    pause_seconds: Seconds = Field(default=0.1, description="First pause of a link that was throttled; doubles")
    longest_pause_seconds: Seconds = Field(default=5.0, description="Longest pause of a link that was throttled")
    retry_seconds: Seconds = Field(default=0.5, description="First pause after a transient error; doubles")
    close_seconds: Seconds = Field(default=5.0, description="So long messages under way get when the channel closes")

    simulator: bool = Field(default=False, description="The gateway is made up: it may see made-up numbers")
    drill_only: bool = Field(default=False, description="Refuse every number that is not made up")

    @field_validator("password")
    @classmethod
    def _fits(cls, password: SecretStr) -> SecretStr:
        if len(password.get_secret_value().encode()) > _LONGEST_PASSWORD:
            raise ValueError(f"SMPP takes passwords of at most {_LONGEST_PASSWORD} octets")
        return password

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if len(self.access_number) + self.slot_digits > _LONGEST_ADDRESS:
            raise ValueError(f"access_number and slot_digits together have more than {_LONGEST_ADDRESS} digits")
        if self.urgent_bind and self.binds == 1:
            raise ValueError("urgent_bind needs binds of at least 2")
        if self.binds > self.window:
            raise ValueError("window is smaller than binds: each link needs a place")
        return self
