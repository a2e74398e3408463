"""Settings that could not work, or would give something away, are refused with a remedy."""

import pytest
from pydantic import ValidationError

from notifiers.email.settings import EmailInboundSettings, EmailSettings
from tests.notifiers_email.conftest import SECRET


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secret": "short"}, "at least 16"),
        ({"public_url": "http://muster.test"}, "https://"),
        ({"public_url": "https://muster.test/a b"}, "without spaces"),
        ({"public_url": "https://muster.test/>,<mailto:x@y"}, "angle brackets"),
        ({"host": "mail.centre.test", "username": "u", "password": "p"}, "starttls"),
        ({"sender": "not an address"}, "sender"),
        ({"inbound_domain": "a b"}, "inbound_domain"),
        ({"rate": 0}, "rate"),
        ({"conections": 4}, "conections"),
    ],
)
def test_what_cannot_work_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        EmailSettings(**{"secret": SECRET, **changes})


def test_a_secret_is_never_shown():
    settings = EmailSettings(secret=SECRET, username="u", password="p4ssw0rd", starttls=True)
    assert SECRET not in repr(settings)
    assert "p4ssw0rd" not in repr(settings)


def test_message_ids_lie_under_the_inbound_domain_or_the_senders():
    assert EmailSettings(secret=SECRET, sender="a@Centre.test").domain == "centre.test"
    assert EmailSettings(secret=SECRET, sender="a@b.test", inbound_domain="IN.centre.test").domain == "in.centre.test"


def test_the_listener_needs_to_know_its_domain():
    with pytest.raises(ValidationError, match="domain"):
        EmailInboundSettings()
