"""Help requests: what comes in before anybody is asked."""

from typing import Literal

from schemas.base import Event, RequestId
from schemas.spec import AppealSpec


class HelpRequested(Event):
    type: Literal["muster.help-requested"] = "muster.help-requested"
    request_id: RequestId
    kind: str
    spec: AppealSpec
    filed_by: str


class RequestVerified(Event):
    type: Literal["muster.request-verified"] = "muster.request-verified"
    request_id: RequestId
    verified_by: str


class RequestRejected(Event):
    type: Literal["muster.request-rejected"] = "muster.request-rejected"
    request_id: RequestId
    rejected_by: str
    reason: str
