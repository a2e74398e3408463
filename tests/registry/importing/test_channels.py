"""A channel needs its names and nothing else to be imported: consent to it, and who prefers it."""

import pytest

from registry.importing.cells import CHANNELS
from registry.importing.fields import field_of
from schemas.words import CHANNEL_NAMES, Channel


@pytest.mark.parametrize("channel", Channel)
def test_every_channel_has_its_consent_column_and_its_words(channel: Channel):
    name = CHANNEL_NAMES[channel]
    headers = {field_of(header) for header in (f"consent_{channel}", f"{name.chinese}同意", f"同意{name.chinese}")}
    assert [field and field.name for field in headers] == [f"consent_{channel}"]
    assert {CHANNELS[channel], CHANNELS[name.chinese], CHANNELS[name.english.lower()]} == {channel}
