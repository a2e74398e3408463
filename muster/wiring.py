"""The one place where everything is put together: settings in, a running worker out."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from prometheus_client import Gauge

from agents.appeals import DecideAppeal
from agents.audience import AnswerScans, Audience
from agents.dispatch.gate import Gate
from agents.dispatch.lane import Dispatch, Lane
from agents.dispatch.leases import Leases
from agents.doors import Pace
from agents.inbound import Inbound
from agents.receipts import JoinReceipts
from agents.relay import Relay
from agents.replies import ReadReply
from agents.ticker import Ticker
from agents.tracking import Track
from muster.clock import AppealClock
from muster.settings import Settings
from notifiers.sms import SMSNotifier
from registry.database import Database
from registry.locks import one_at_a_time
from schemas.reader import Message
from schemas.words import Channel

READY = Gauge("muster_worker_ready", "1 once the worker has read the controls and taken up its work")


def pace(settings: Settings) -> Pace:
    """How appeals launched under these settings are cut up and released."""
    return Pace(
        shards=settings.shards,
        batch_size=settings.dispatch.batch_size,
        release_ahead=settings.dispatch.release_ahead,
        ask_again_after=timedelta(seconds=5 * settings.clock.speed),
    )
