"""What each reply means: the member's trouble, the letter's, or everybody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.email.verdicts import Fate, Reply, Stage, judge

SENDER, RECIPIENT, DATA, CONTENT = Stage


@pytest.mark.parametrize(
    ("stage", "line", "fate"),
    [
        (SENDER, "250 2.1.0 OK", Fate.SENT),
        (SENDER, "452 4.3.1 no room", Fate.BUSY),
        (SENDER, "450 4.7.1 too fast", Fate.BUSY),
        (SENDER, "550 5.7.1 you are blocked", Fate.BUSY),
        (SENDER, "530 5.7.0 log in first", Fate.BUSY),
        (SENDER, "552 5.3.4 too big", Fate.REFUSED),
        (RECIPIENT, "250 OK", Fate.SENT),
        (RECIPIENT, "251 will forward", Fate.SENT),
        (RECIPIENT, "550 5.1.1 nobody here", Fate.GONE),
        (RECIPIENT, "550 no such user", Fate.GONE),
        (RECIPIENT, "553 malformed", Fate.GONE),
        (RECIPIENT, "550 5.7.1 you are blocked", Fate.REFUSED),
        (RECIPIENT, "552 5.2.2 mailbox full", Fate.REFUSED),
        (RECIPIENT, "554 5.7.1 no access", Fate.REFUSED),
        (RECIPIENT, "450 mailbox busy", Fate.LATER),
        (RECIPIENT, "450 4.2.0 greylisted", Fate.LATER),
        (RECIPIENT, "452 4.2.2 mailbox full", Fate.LATER),
        (RECIPIENT, "450 4.7.1 too fast", Fate.STUCK),
        (RECIPIENT, "451 local error", Fate.STUCK),
        (RECIPIENT, "452 4.5.3 too many recipients", Fate.STUCK),
        (RECIPIENT, "421 4.7.0 goodbye", Fate.BUSY),
        (DATA, "354 go ahead", Fate.SENT),
        (DATA, "250 what?", Fate.BUSY),
        (DATA, "451 not now", Fate.STUCK),
        (DATA, "554 no valid recipients", Fate.REFUSED),
        (CONTENT, "250 2.0.0 queued as 4F2", Fate.SENT),
        (CONTENT, "354 what?", Fate.UNCERTAIN),
        (CONTENT, "452 4.3.1 no room", Fate.STUCK),
        (CONTENT, "421 4.3.2 shutting down", Fate.BUSY),
        (CONTENT, "554 5.7.1 spam", Fate.REFUSED),
        (CONTENT, "550 5.1.1 looks like spam", Fate.REFUSED),
    ],
)
def test_the_table_of_verdicts(stage, line, fate):
    assert judge(stage, Reply(int(line[:3]), line[4:])) is fate


@given(st.sampled_from(Stage), st.integers(0, 999), st.text())
def test_only_a_5xx_after_the_sender_refuses_a_member_at_once(stage, code, text):
    fate = judge(stage, Reply(code, text))
    if fate in (Fate.REFUSED, Fate.GONE):
        assert code == 552 if stage is SENDER else 500 <= code < 600
    senseless = stage is CONTENT and code // 100 not in (2, 4, 5)
    assert (fate is Fate.UNCERTAIN) == senseless
    if stage is CONTENT and fate not in (Fate.SENT, Fate.UNCERTAIN, Fate.REFUSED):
        assert 400 <= code < 500  # nothing leaves a second time unless the server said that it did not take it
