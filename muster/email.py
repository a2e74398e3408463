"""The e-mail channel put together: letters out, answers and opt-outs in."""

from contextlib import AsyncExitStack

from prometheus_client import REGISTRY

from agents.inbound import Inbound, OptOutsByLink
from muster.listening import port_named
from muster.settings import Settings
from notifiers.email.inbound import Doors, EmailInbound
from notifiers.email.metrics import EmailMetrics
from notifiers.email.notifier import EmailNotifier
from notifiers.email.settings import EmailSettings


async def open_email(
    settings: Settings, email: EmailSettings, doors: Inbound, opt_outs: OptOutsByLink, stack: AsyncExitStack
) -> EmailNotifier:
    """The channel, sending; and the listener for answers, where one is set up.  Both end with the stack."""
    metrics = EmailMetrics(REGISTRY)
    notifier = EmailNotifier(email, metrics)
    await stack.enter_async_context(notifier)
    if settings.email_inbound is not None:
        secret = email.secret.get_secret_value().encode()
        ways_in = Doors(doors.on_incoming, doors.on_receipt, opt_outs)
        listener = EmailInbound(settings.email_inbound, secret, ways_in, metrics)
        with port_named("MUSTER_EMAIL_INBOUND__PORT", settings.email_inbound.host, settings.email_inbound.port):
            await stack.enter_async_context(listener)
    return notifier
