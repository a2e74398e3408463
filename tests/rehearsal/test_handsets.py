"""Simulated people: as many answers as on that night, the same ones for the same seed, in whatever order."""

import numpy as np
import pytest

from rehearsal.handsets import Handsets, Means, Reaction, mood_of
from rehearsal.people import People, PeopleUnreadable
from rehearsal.smsc.settings import LIVELY, HandsetSettings
from tests.rehearsal.esme import ACCESS, PLEA

PEOPLE = 1_000_000
NUMBERS = np.arange(17_900_000_000, 17_900_000_000 + PEOPLE, dtype=np.uint64)
AT = np.full(PEOPLE, 1000.0)
EVERYBODY = HandsetSettings(yes_match=1, yes_other=1)


def population(abo: str) -> People:
    return People.from_lines(["mobile,abo,rhd,language", *(f"{n},{abo},pos,zh" for n in NUMBERS.tolist())])


@pytest.fixture(scope="module")
def all_ab() -> People:
    return population("AB")


@pytest.fixture(scope="module")
def all_o() -> People:
    return population("O")


def hear(people: People, *, settings: HandsetSettings | None = None, seed: int = 1, text: str = PLEA) -> list[Reaction]:
    return Handsets(people, settings or HandsetSettings(), seed).hear(text, ACCESS, NUMBERS, AT)


def within_four_sigma(count: int, probability: float, of: int = PEOPLE) -> bool:
    expected = of * probability
    return abs(count - expected) <= 4 * (expected * (1 - probability)) ** 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_matching_people_say_yes_with_one_in_a_thousand(all_ab: People, seed: int) -> None:
    reactions = hear(all_ab, seed=seed)
    assert within_four_sigma(len(reactions), 0.001)
    assert {mood_of(reaction.words) for reaction in reactions} == {"yes"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_others_say_yes_with_six_in_a_hundred_thousand(all_o: People, seed: int) -> None:
    assert within_four_sigma(len(hear(all_o, seed=seed)), 0.00006)


def test_who_answers_depends_on_the_group_in_the_text_alone(all_o: People) -> None:
    assert within_four_sigma(len(hear(all_o, text=PLEA.replace("AB型", "O型"))), 0.001)


def test_lively_people_refuse_opt_out_and_talk_nonsense_at_their_rates(all_o: People) -> None:
    moods = [mood_of(reaction.words) for reaction in hear(all_o, settings=LIVELY)]
    assert within_four_sigma(moods.count("yes"), 0.00006)
    assert within_four_sigma(moods.count("no"), 0.002)
    assert within_four_sigma(moods.count("opt-out"), 0.0005)
    assert within_four_sigma(moods.count("nonsense"), 0.0005)


def test_liveliness_changes_nobodys_yes(all_ab: People) -> None:
    lively = {reaction for reaction in hear(all_ab, settings=LIVELY) if mood_of(reaction.words) == "yes"}
    assert lively == set(hear(all_ab))


def test_order_and_portions_of_arrival_change_nothing(all_ab: People) -> None:
    handsets = Handsets(all_ab, HandsetSettings(), 1)
    shuffled = np.random.default_rng(5).permutation(NUMBERS)
    heard = [
        reaction for portion in np.array_split(shuffled, 77) for reaction in handsets.hear(PLEA, ACCESS, portion, AT)
    ]
    assert set(heard) == set(hear(all_ab))


def test_seed_and_text_choose_other_people(all_ab: People) -> None:
    yes = {reaction.number for reaction in hear(all_ab)}
    for others in (hear(all_ab, seed=2), hear(all_ab, text=PLEA + " ")):
        # Independent draws meet about once in a million pairs.
        assert len(yes & {reaction.number for reaction in others}) <= 8


def test_delays_are_lognormal_around_25_minutes(all_ab: People) -> None:
    few = HandsetSettings(yes_match=0.02)
    delays = np.array([reaction.due - 1000.0 for reaction in hear(all_ab, settings=few)])
    assert delays.min() > 0
    logs = np.log(delays / 60)
    assert np.median(delays) / 60 == pytest.approx(25, rel=0.08)
    assert logs.std() == pytest.approx(2.2, rel=0.03)
    assert (delays <= 44 * 60).mean() == pytest.approx(0.60, abs=0.015)  # domain facts: 60 % within 44 minutes


def test_three_in_ten_call_the_hotline(all_ab: People) -> None:
    means = [reaction.means for reaction in hear(all_ab, settings=HandsetSettings(yes_match=0.01))]
    assert within_four_sigma(means.count(Means.CALL), 0.3, of=len(means))


def test_a_message_that_came_twice_is_answered_once(all_ab: People) -> None:
    handsets = Handsets(all_ab, EVERYBODY, 1)
    assert len(handsets.hear(PLEA, ACCESS, NUMBERS[:100], AT[:100])) == 100
    assert handsets.hear(PLEA, ACCESS, NUMBERS[:100], AT[:100]) == []
    assert len(handsets.hear(PLEA, ACCESS + "9", NUMBERS[:100], AT[:100])) == 100


def test_replies_go_to_the_address_that_asked(all_ab: People) -> None:
    assert {reaction.sender for reaction in hear(all_ab)} == {ACCESS}


def test_numbers_without_a_person_stay_silent() -> None:
    assert hear(People.nobody(), settings=EVERYBODY) == []


def test_everybody_answers_in_the_own_language() -> None:
    people = People.from_lines(["mobile,abo,rhd,language", *(f"{n},AB,pos,en" for n in NUMBERS[:500].tolist())])
    words = {reaction.words for reaction in hear(people, settings=HandsetSettings(yes_match=1))}
    assert words == {"1", "yes", "Yes", "YES", "y"}


@pytest.mark.parametrize("text", ["谢谢您！我们会尽快与您联系。", "The need is met, thank you."])
def test_thanks_are_not_answered(all_ab: People, text: str) -> None:
    assert hear(all_ab, settings=EVERYBODY, text=text) == []


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (["mobile;abo;rhd;language"], "line 1"),
        ([], "line 1"),
        (["mobile,abo,rhd,language", "17900000001,AB,pos,zh", "17900000002,C,pos,zh"], "line 3"),
        (["mobile,abo,rhd,language", "abc,AB,pos,zh"], "line 2"),
    ],
)
def test_a_broken_people_file_names_the_line_and_no_number(rows: list[str], line: str) -> None:
    with pytest.raises(PeopleUnreadable, match=line) as caught:
        People.from_lines(rows)
    assert "179" not in str(caught.value)
