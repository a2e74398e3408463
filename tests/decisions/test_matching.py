"""A spec and a wave give the question that the shards answer; a spec that cannot be asked says why and what to write."""

from datetime import date, timedelta

import pytest

from decisions.matching import check_spec, criteria_for
from decisions.programmes import PROGRAMMES
from schemas.spec import AppealSpec, BloodNeed, WaveSpec
from schemas.words import ABO, BloodKnown, Channel, Purpose

TODAY = date(2026, 11, 24)
KNOWN = WaveSpec()
UNKNOWN = WaveSpec(blood=BloodKnown.UNKNOWN, after=timedelta(minutes=45), channel=Channel.EMAIL)


def a_spec(**changes) -> AppealSpec:
    spec = AppealSpec(
        programme="platelets", blood=BloodNeed(abo=ABO.AB), need=15, deadline=timedelta(hours=4), waves=(KNOWN, UNKNOWN)
    )
    return AppealSpec.model_validate(spec.model_dump() | changes)


def test_a_match_is_abo_identical_and_rhd_only_orders():
    criteria = criteria_for(a_spec(), KNOWN, TODAY)

    assert criteria.abo == (ABO.AB,)
    assert criteria.blood_known is BloodKnown.KNOWN
    assert not criteria.rhd_negative_only
    assert criteria.purpose is Purpose.BLOOD
    assert criteria.on == TODAY


def test_rhd_is_a_condition_when_the_physician_says_so():
    assert criteria_for(a_spec(blood={"abo": "AB", "rhd_required": "hard"}), KNOWN, TODAY).rhd_negative_only


def test_each_wave_asks_its_own_people_by_its_own_channel():
    criteria = criteria_for(a_spec(), UNKNOWN, TODAY)

    assert criteria.blood_known is BloodKnown.UNKNOWN
    assert criteria.channel is Channel.EMAIL


@pytest.mark.parametrize(
    ("day", "ages"),
    [
        (date(2021, 12, 31), (18, 55)),
        (date(2022, 1, 31), (18, 55)),
        (date(2022, 2, 1), (18, 60)),
        (TODAY, (18, 60)),
        (date(1998, 9, 30), None),
    ],
)
def test_ages_follow_the_law_of_the_day(day, ages):
    assert criteria_for(a_spec(), KNOWN, day).ages == ages


@pytest.mark.parametrize(("asked", "ages"), [((25, 40), (25, 40)), ((16, 40), (18, 40)), ((50, 70), (50, 60))])
def test_a_spec_may_narrow_the_ages_but_not_widen_them(asked, ages):
    assert criteria_for(a_spec(ages=asked), KNOWN, TODAY).ages == ages


def test_districts_may_be_written_as_people_do():
    criteria = criteria_for(a_spec(districts=("110105", "海淀", "Xicheng")), KNOWN, TODAY)

    assert criteria.districts == ("110105", "110108", "110102")


def test_a_good_spec_has_no_problems():
    assert check_spec(a_spec(districts=("110105",), ages=(20, 70)), TODAY) == []


@pytest.mark.parametrize(
    ("changes", "field", "remedy"),
    [
        ({"programme": "moon-dust"}, "programme", f"write one of: {', '.join(sorted(PROGRAMMES))}"),
        ({"blood": None}, "blood", "blood: {abo: AB}"),
        ({"districts": ("110105", "Atlantis")}, "districts.1", "110105 朝阳区"),
        ({"ages": (61, 70)}, "ages", "stay within 18 to 60"),
        ({"ages": (10, 17)}, "ages", "stay within 18 to 60"),
    ],
)
def test_a_problem_names_the_field_and_the_remedy(changes, field, remedy):
    (problem,) = check_spec(a_spec(**changes), TODAY)

    assert problem.field == field
    assert remedy in problem.remedy
    assert str(problem).startswith(f"{field}: ")


@pytest.mark.parametrize("programme", PROGRAMMES.values(), ids=list(PROGRAMMES))
def test_age_rules_are_in_the_order_in_which_they_came_into_force(programme):
    days = [rule.since for rule in programme.ages]

    assert days == sorted(set(days))
