"""Every message has a topic that is there."""

import pytest

from agents.routes import route
from schemas.reader import Message
from streams.topics import topics
from tests.schemas.examples import EXAMPLES

TOPICS = {topic.name for topic in topics(8)}


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_every_message_goes_to_a_topic_of_the_table_under_a_key(message: Message):
    where = route(message)
    assert where.topic in TOPICS
    assert where.key
