import pytest

from decisions.permissions import EVERYTHING, Scope, bit, blocking, needed, scopes
from schemas.words import Channel, Purpose

ALL_SCOPES = [Scope(purpose, channel) for purpose in (None, *Purpose) for channel in (None, *Channel)]


def test_every_scope_has_a_bit_of_its_own_and_comes_back_from_it():
    assert len({bit(scope) for scope in ALL_SCOPES}) == len(ALL_SCOPES)
    for scope in ALL_SCOPES:
        assert list(scopes(bit(scope))) == [scope]


def test_the_bits_are_those_in_the_databases_out_there():
    assert bit(EVERYTHING) == 1
    assert needed(Purpose.BLOOD, Channel.SMS) == 0b1_0000_0010
    assert blocking(Purpose.BLOOD, Channel.SMS) == 0b11_0000_0011
    columns = [bit(Scope(channel=channel)) for channel in (Channel.EMAIL, Channel.HOTLINE, Channel.WEB)]
    assert columns == [0b100, 0b1000, 0b1_0000]


@pytest.mark.parametrize("refused", ALL_SCOPES, ids=str)
def test_a_refusal_blocks_exactly_what_it_covers(refused):
    for purpose in Purpose:
        for channel in Channel:
            covered = refused.purpose in (None, purpose) and refused.channel in (None, channel)
            assert bool(bit(refused) & blocking(purpose, channel)) == covered
