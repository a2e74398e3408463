"""What can be set on the simulator and on the people behind it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


def _share(default: float, description: str) -> float:
    field: float = Field(default=default, ge=0, le=1, description=description)
    return field


class HandsetSettings(BaseModel):
    """How the simulated people behave.  The defaults are those of the night of 24 November 2011."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yes_match: float = _share(0.001, "Probability that a person of the group asked for says yes")
    yes_other: float = _share(0.00006, "Probability that any other person says yes")
    no_rate: float = _share(0, "Probability of a no")
    opt_out_rate: float = _share(0, "Probability of an opt-out")
    nonsense_rate: float = _share(0, "Probability of words that mean nothing")
    call_share: float = _share(0.3, "Share of those who say yes that call the hotline instead of writing")
    reply_median_minutes: float = Field(default=25, gt=0, description="Median reply delay in appeal time (lognormal)")
    reply_sigma: float = Field(default=2.2, ge=0, description="Sigma of the reply delay")
    pushed_twice: float = _share(0, "Share of replies that the gateway pushes twice although they were acknowledged")


LIVELY = HandsetSettings(no_rate=0.002, opt_out_rate=0.0005, nonsense_rate=0.0005)


class SimSettings(BaseModel):
    """The simulated gateway: what it accepts, refuses and delays.  0 means "no limit" wherever that makes sense."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=2775, ge=0, le=65535, description="SMPP port on 127.0.0.1; 0 takes a free one")
    http_port: int = Field(default=2776, ge=0, le=65535, description="Port for questions; 0 takes a free one")
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    system_id: str = Field(default="", max_length=15, description="Account that may bind; empty lets everybody in")
    password: str = Field(default="", max_length=8, description="Its password; only checked with a system id")
    binds: int = Field(default=0, ge=0, description="Binds at a time; beyond it ESME_RBINDFAIL")
    access_number: str = Field(default="", description="Sender addresses must begin with it, else ESME_RINVSRCADR")
    idle_seconds: float = Field(
        default=60, gt=0, description="Silence (real time) before an enquire_link; twice: closed"
    )

    latency_ms: float = Field(default=0, ge=0, description="Delay of each submit_sm_resp, real time")
    window: int = Field(default=0, ge=0, description="Unanswered submit_sm per bind; beyond it ESME_RTHROTTLED")
    throttle: float = Field(default=0, ge=0, description="Messages a second, all binds; beyond it ESME_RTHROTTLED")
    pace: float = Field(default=0, ge=0, description="Messages a second read from the sockets; beyond it reading stops")
    queue: int = Field(default=0, ge=0, description="Messages that may wait inside; beyond it ESME_RMSGQFUL")
    queue_drain: float = Field(default=1000, gt=0, description="Messages a second that leave that queue")
    error_rate: float = _share(0, "Share of numbers refused for good with ESME_RINVDSTADR, always the same ones")
    silent_rate: float = _share(0, "Share of numbers whose messages are taken and recorded, but never answered")
    trouble_rate: float = _share(0, "Share of messages refused by chance; tried again, they may be taken")
    trouble_status: int = Field(default=0x08, ge=1, le=0x4FF, description="With this command_status: ESME_RSYSERR")

    reference_tag: int = Field(default=0x1500, ge=0x1400, le=0x3FFF, description="Vendor TLV with kind/appeal/wave")
    receipts: float = _share(1, "Share of the receipts asked for that really come")
    undelivered: float = _share(0.02, "Share of accepted messages that never reach the handset")
    receipt_median_seconds: float = Field(
        default=8, gt=0, description="Median receipt delay in appeal time (lognormal)"
    )
    receipt_sigma: float = Field(default=0.8, ge=0, description="Sigma of the receipt delay")
    receipt_tlvs: bool = Field(
        default=True, description="Receipts carry receipted_message_id and message_state as TLVs"
    )
    receipts_early: bool = Field(default=False, description="Receipts come at once, and before the submit_sm_resp")
    receipts_twice: bool = Field(default=False, description="Each receipt comes twice, under two sequence numbers")
    decimal_ids: bool = Field(
        default=False, description="The text of a receipt names the id in decimal, as some gateways do"
    )

    deliver_window: int = Field(default=1000, ge=1, description="Unanswered deliver_sm per bind")
    deliver_timeout: float = Field(
        default=10, gt=0, description="Seconds (real time) until a deliver_sm counts as unanswered"
    )

    people: Path | None = Field(default=None, description="people.csv; without it nobody answers")
    handsets: HandsetSettings = HandsetSettings()
    seed: int = Field(default=1, description="Same seed, same people, same answers")
    state_dir: Path | None = Field(default=None, description="Where the record is kept; without it a restart forgets")
