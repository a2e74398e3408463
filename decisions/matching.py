"""From an appeal's spec to the question that the shards answer: who is asked in a wave."""

from collections.abc import Iterator
from datetime import date

from decisions.districts import load_districts
from decisions.problems import Problem
from decisions.programmes import PROGRAMMES, Programme
from schemas.criteria import Criteria
from schemas.spec import AppealSpec, WaveSpec
from schemas.words import BloodKnown


def criteria_for(spec: AppealSpec, wave: WaveSpec, on: date) -> Criteria:
    """Who fits this wave on that day; the spec must have passed `check_spec`.

    A match is ABO-identical.  RhD-negative members only come first, unless the spec calls RhD `hard`.
    """
    programme = PROGRAMMES[spec.programme]
    blood = spec.blood if programme.needs_blood else None
    return Criteria(
        programme=spec.programme,
        purpose=programme.purpose,
        channel=wave.channel,
        on=on,
        abo=(blood.abo,) if blood else (),
        blood_known=wave.blood if blood else BloodKnown.EITHER,
        rhd_negative_only=blood is not None and blood.rhd_required == "hard",
        districts=tuple(code for name in spec.districts if (code := _district(name)) is not None),
        ages=_ages(spec, programme, on),
        sex=spec.sex,
        skills=spec.skills,
        languages=spec.languages,
    )


def _ages(spec: AppealSpec, programme: Programme, on: date) -> tuple[int, int] | None:
    """What the spec asks for, within what the programme allows."""
    allowed = programme.ages_on(on)
    if spec.ages is None or allowed is None:
        return spec.ages or allowed
    return max(spec.ages[0], allowed[0]), min(spec.ages[1], allowed[1])


def _district(name: str) -> str | None:
    district = load_districts().find(name)
    return district.code if district else None


def check_spec(spec: AppealSpec, on: date) -> list[Problem]:
    """What keeps this spec from being launched on that day, beyond its form; empty when nothing does."""
    programme = PROGRAMMES.get(spec.programme)
    if programme is None:
        known = ", ".join(sorted(PROGRAMMES))
        return [Problem("programme", f"there is no programme {spec.programme!r}", f"write one of: {known}")]
    return [*_blood_problems(spec, programme), *_people_problems(spec, programme, on)]


def _blood_problems(spec: AppealSpec, programme: Programme) -> Iterator[Problem]:
    if programme.needs_blood and spec.blood is None:
        yield Problem("blood", f"{spec.programme} need a blood group", "add for example `blood: {abo: AB}`")
    if not programme.needs_blood and spec.blood is not None:
        yield Problem("blood", f"{spec.programme} has nothing to do with blood", "leave `blood` out")


def _people_problems(spec: AppealSpec, programme: Programme, on: date) -> Iterator[Problem]:
    for place, name in enumerate(spec.districts):
        if _district(name) is None:
            known = ", ".join(f"{district.code} {district.zh}" for district in load_districts().all)
            yield Problem(f"districts.{place}", "is no district of Beijing", f"write one of: {known}")
    ages = _ages(spec, programme, on)
    allowed = programme.ages_on(on)
    if ages is not None and allowed is not None and ages[0] > ages[1]:
        yield Problem(
            "ages",
            "nobody of that age may be asked for this",
            f"stay within {allowed[0]} to {allowed[1]}, or leave it out",
        )
