"""An event is acknowledged once, in offset order, as soon as it and all before it are done."""

from hypothesis import given
from hypothesis import strategies as st

from streams.acks import InOrder


@given(st.data())
def test_events_are_acknowledged_in_order_in_whatever_order_they_are_done(data: st.DataObject):
    order = InOrder()
    acknowledged: list[int] = []
    began: list = []
    done: set[int] = set()
    for _ in range(data.draw(st.integers(1, 60))):
        open_ones = sorted(set(range(len(began))) - done)
        if not open_ones or data.draw(st.booleans()):
            offset = len(began)
            began.append(order.began(offset, lambda offset=offset: acknowledged.append(offset)))
        else:
            finished = data.draw(st.sampled_from(open_ones))
            done.add(finished)
            began[finished]()
        first_open = min(set(range(len(began))) - done, default=len(began))
        assert acknowledged == list(range(first_open))
        assert len(order) == len(began) - first_open


def test_what_is_said_to_be_done_twice_is_acknowledged_once():
    order = InOrder()
    acknowledged: list[int] = []
    done = order.began(0, lambda: acknowledged.append(0))
    done()
    done()
    assert acknowledged == [0]


def test_offsets_may_have_gaps():
    """Compaction and transactions leave some."""
    order = InOrder()
    acknowledged: list[int] = []
    first = order.began(3, lambda: acknowledged.append(3))
    second = order.began(11, lambda: acknowledged.append(11))
    second()
    assert acknowledged == []
    first()
    assert acknowledged == [3, 11]
