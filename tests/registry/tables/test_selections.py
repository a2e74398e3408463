"""A selection is made once, keeps its order and never changes."""

import numpy as np
from sqlalchemy import Connection

from registry import selections

APPEAL = "a-20111124-0001"


def test_the_first_selection_stands(connection: Connection):
    assert selections.fix(connection, APPEAL, 1, 3, np.array([7, 5, 9])) == 3
    assert selections.fix(connection, APPEAL, 1, 3, np.array([1, 2, 3, 4])) == 3
    assert selections.members(connection, APPEAL, 1, 3).tolist() == [7, 5, 9]


def test_a_selection_may_be_empty(connection: Connection):
    assert selections.fix(connection, APPEAL, 1, 3, np.empty(0, np.int64)) == 0
    assert selections.members(connection, APPEAL, 1, 3).tolist() == []


def test_ids_of_more_than_four_bytes_come_back_in_their_order(connection: Connection):
    members = np.arange(1_000, 0, -1) * 9_007_199_254_740 + 1
    selections.fix(connection, APPEAL, 1, 3, members)
    assert selections.members(connection, APPEAL, 1, 3).tolist() == members.tolist()


def test_a_selection_that_was_never_made_has_no_members(connection: Connection):
    assert selections.members(connection, APPEAL, 1, 3).tolist() == []


def test_earlier_waves_of_a_shard_are_known(connection: Connection):
    for wave, shard, members in ((1, 3, [1, 2]), (2, 3, [3]), (3, 3, [4]), (1, 4, [9])):
        selections.fix(connection, APPEAL, wave, shard, np.array(members))
    selections.fix(connection, "a-another", 1, 3, np.array([8]))
    assert sorted(selections.asked_before(connection, APPEAL, 3, 3)) == [1, 2, 3]
    assert sorted(selections.asked_before(connection, APPEAL, 3, 1)) == []


def test_whom_an_appeal_has_asked_is_known(connection: Connection):
    for wave, members in ((1, [5, 7]), (2, [7, 9, 6])):
        selections.fix(connection, APPEAL, wave, 3, np.array(members))
    assert [member for member in range(1, 12) if selections.has_asked(connection, APPEAL, 3, member)] == [5, 6, 7, 9]
    assert not selections.has_asked(connection, APPEAL, 4, 5)
    assert not selections.has_asked(connection, "a-another", 3, 5)


def test_octets_of_two_neighbours_are_nobody(connection: Connection):
    # 512 after 256: the octets 0, 1, 0 ... 0, 0, 2 hold those of 1, twice, and at no place of an id.
    selections.fix(connection, APPEAL, 1, 3, np.array([256, 512]))
    selections.fix(connection, APPEAL, 1, 4, np.array([256, 512, 1]))
    assert not selections.has_asked(connection, APPEAL, 3, 1)
    assert selections.has_asked(connection, APPEAL, 4, 1)
