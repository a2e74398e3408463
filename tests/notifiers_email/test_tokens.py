"""Opt-out tokens and message ids: whatever we wrote is read back, whatever anybody else made up is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.email.keys import MessageKey, MessageKeys
from notifiers.email.links import LARGEST_ID, LISTS, OptOutLinks, Subscription
from schemas.words import Purpose

SIGNS = "abcdefghijklmnopqrstuvwxyz234567"
LINKS = OptOutLinks(b"one secret of the tests")
OTHER = OptOutLinks(b"another secret of the tests")
KEYS = MessageKeys(b"one secret of the tests", "in.centre.test")

members = st.integers(1, LARGEST_ID)
purposes = st.sampled_from([None, *Purpose])
subscriptions = st.builds(Subscription, members, purposes)
nonces = st.text(SIGNS, min_size=13, max_size=13)
references = st.builds(
    "{}/a-{}/{}".format,
    st.sampled_from(["mass", "ack", "stand-down", "notice"]),
    st.from_regex(r"\A[0-9a-z-]{4,40}\Z"),
    st.integers(0, 99),
)


@given(subscriptions)
def test_a_token_names_its_member_and_list(subscription):
    token = LINKS.token(subscription)
    assert LINKS.read(token) == subscription
    assert LINKS.read(token.upper()) == subscription
    assert len(token) == 40
    assert set(token) <= set(SIGNS)


@given(subscriptions, st.integers(0, 39), st.sampled_from(SIGNS))
def test_no_sign_of_a_token_can_be_changed(subscription, place, sign):
    token = LINKS.token(subscription)
    changed = token[:place] + sign + token[place + 1 :]
    assert (LINKS.read(changed) == subscription) == (changed == token)
    assert changed == token or LINKS.read(changed) is None


@given(st.text(SIGNS, min_size=40, max_size=40) | st.text(max_size=60))
def test_a_made_up_token_names_nobody(token):
    assert LINKS.read(token) is None


@given(subscriptions)
def test_a_token_of_another_house_names_nobody(subscription):
    assert OTHER.read(LINKS.token(subscription)) is None


@given(members, members)
def test_tokens_show_neither_the_member_nor_that_two_are_neighbours(one, other):
    first, second = (LINKS.token(Subscription(member, Purpose.BLOOD)) for member in (one, other))
    assert (first == second) == (one == other)
    if one != other:
        same = sum(a == b for a, b in zip(first, second, strict=True))
        assert same < 20  # by chance a little more than one of forty signs agrees


def test_every_list_has_a_number_of_its_own():
    assert set(LISTS) == {None, *Purpose}
    assert len(set(LISTS.values())) == len(LISTS)


def test_the_numbers_in_old_links_keep_their_meaning():
    assert {purpose: number for purpose, number in LISTS.items() if number <= 3} == {
        None: 0,
        Purpose.BLOOD: 1,
        Purpose.VOLUNTEER: 2,
        Purpose.BENEFITS: 3,
    }
    old = "yfpmsdlhrbkbskejjzpr2ndkdsag4ucesfkmmlce"
    assert LINKS.read(old) == Subscription(42, Purpose.BLOOD)


@pytest.mark.parametrize("member", [0, -1, LARGEST_ID + 1])
def test_there_are_no_tokens_for_nobody(member):
    with pytest.raises(ValueError, match="member id"):
        LINKS.token(Subscription(member, None))


@given(references, nonces, st.sampled_from([str, str.upper]))
def test_a_message_id_brings_back_its_reference(reference, nonce, folded):
    written = KEYS.message_id(reference, nonce)
    kind, appeal, wave = reference.split("/")
    assert KEYS.read(folded(written)) == MessageKey(kind, appeal, int(wave), nonce)
    assert len(written) < 200


@given(references, references, nonces)
def test_a_message_id_is_good_for_its_own_letter_only(one, other, nonce):
    moved = KEYS.message_id(one, nonce).replace(one.replace("/", "."), other.replace("/", "."))
    assert KEYS.read(moved) == (None if one != other else KEYS.read(KEYS.message_id(one, nonce)))


@pytest.mark.parametrize(
    "message_id",
    [
        "",
        "<>",
        "<CAF+abc@mail.gmail.com>",
        "<mass.a-2011.1.aaaaaaaaaaaaa.aaaaaaaaaaaaa@in.centre.test>",
        MessageKeys(b"one secret of the tests", "elsewhere.test").message_id("mass/a-2011/1", "a" * 13),
        MessageKeys(b"another secret", "in.centre.test").message_id("mass/a-2011/1", "a" * 13),
    ],
)
def test_a_foreign_message_id_names_no_letter(message_id):
    assert KEYS.read(message_id) is None


@pytest.mark.parametrize("reference", ["", "mass/a-2011", "mass/a 2011/1", "mass/a-2011/one", "a.b/c/1", "mass/a>/1"])
def test_a_reference_has_three_parts(reference):
    with pytest.raises(ValueError, match="kind/appeal/wave"):
        KEYS.message_id(reference, "a" * 13)


@given(nonces, st.sampled_from([str, str.upper]))
def test_a_return_address_names_its_letter(nonce, folded):
    local, _, domain = KEYS.return_address(nonce).partition("@")
    assert KEYS.read_return(folded(local)) == nonce
    assert domain == "in.centre.test"
    assert len(local) <= 64  # RFC 5321, 4.5.3.1.1


@given(nonces, nonces)
def test_a_made_up_return_address_names_none(nonce, mac):
    assert KEYS.read_return(f"b-{nonce}-{mac}") is None


def test_an_opt_out_address_fits_into_a_mailbox_name():
    assert len("stop+" + LINKS.token(Subscription(LARGEST_ID, None))) <= 64
