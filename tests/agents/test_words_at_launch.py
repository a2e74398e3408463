"""The words that go out are fixed at the launch: the officer's own, or else those of the programme."""

from datetime import timedelta

import pytest

from agents.doors import complete
from schemas.spec import AppealSpec, BloodNeed, Texts, WaveSpec
from schemas.words import ABO, Language


def _spec(**changes: object) -> AppealSpec:
    usual = {"programme": "platelets", "blood": BloodNeed(abo=ABO.AB), "need": 1, "deadline": timedelta(hours=4)}
    return AppealSpec.model_validate({**usual, "waves": (WaveSpec(),), **changes})


def test_a_plea_for_rhd_negative_blood_says_so():
    hard = complete(_spec(blood=BloodNeed(abo=ABO.AB, rhd_required="hard"))).texts.mass
    assert "Rh阴性" in hard[Language.CHINESE]
    assert "RhD-negative" in hard[Language.ENGLISH]
    assert not any("Rh" in text for text in complete(_spec()).texts.mass.values())


@pytest.mark.parametrize("kind", ["mass", "stand_down", "ended"])
def test_what_the_officer_does_not_word_the_programme_does(kind: str):
    own = {Language.ENGLISH: "[BFTU] our own"}
    words = getattr(complete(_spec(texts=Texts(**{kind: own}))).texts, kind)
    assert words[Language.ENGLISH] == "[BFTU] our own"
    assert words[Language.CHINESE] == getattr(complete(_spec()).texts, kind)[Language.CHINESE] != ""
