"""What members read: one text file per kind and language in `decisions/texts/`, filled with few variables.

A programme's folder comes first, `common` has what is the same for all.  Changing the words needs no code.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from string import Template

from decisions.problems import Problem
from decisions.programmes import PROGRAMMES
from decisions.text_rules import HOTLINE, problems_of
from schemas.words import ABO, Language

_COMMON = "common"


class Kind(StrEnum):
    """Why a member is written to; also the name of the text file."""

    MASS = "mass"
    ACK_YES = "ack-yes"
    ACK_NO = "ack-no"
    ACK_OPT_OUT = "ack-opt-out"
    UNCLEAR = "unclear"  # also for questions: a person will call
    CLOSED = "closed"  # a yes that comes when the need is met
    STAND_DOWN = "stand-down"  # an open yes when the need is met
    ENDED = "ended"  # a yes when the deadline has come, or the appeal was stopped, without that


def render(kind: Kind, language: Language, programme: str | None = None, **variables: str) -> str:
    """The text of this kind.  Raises `KeyError` for an unknown programme or a variable that is missing."""
    folder = PROGRAMMES[programme].wording if programme is not None else _COMMON
    return _template(folder, f"{kind.value}.{language.value}.txt").substitute(variables)


def render_all(kind: Kind, programme: str | None, own: Mapping[Language, str]) -> dict[Language, str]:
    """The text of this kind in every language: one's own where there is one.  Raises as `render` does."""
    return {language: own.get(language) or render(kind, language, programme) for language in Language}


def render_mass(programme: str, language: Language, *, abo: ABO | None = None, rhd_negative: bool = False) -> str:
    """The plea of this programme, naming the blood that is needed if it is about blood."""
    return render(Kind.MASS, language, programme, blood=_blood(language, abo, rhd_negative=rhd_negative))


def check_mass_text(text: str, *, numbers: tuple[str, ...] = (HOTLINE,), sites: tuple[str, ...] = ()) -> list[Problem]:
    """What keeps this text from being sent to many; `numbers` and `sites` are those that it may name."""
    return list(problems_of(text.strip(), numbers, sites, mass=True))


def check_personal_text(text: str, *, numbers: tuple[str, ...] = (HOTLINE,)) -> list[Problem]:
    """What keeps this text from being sent to those who have answered."""
    return list(problems_of(text.strip(), numbers, (), mass=False))


def _blood(language: Language, abo: ABO | None, *, rhd_negative: bool) -> str:
    if abo is None:
        return ""
    if language is Language.CHINESE:
        return f"{abo.value}型Rh阴性" if rhd_negative else f"{abo.value}型"
    return f"group {abo.value} RhD-negative" if rhd_negative else f"group {abo.value}"


@cache
def _template(folder: str, name: str) -> Template:
    texts = resources.files("decisions").joinpath("texts")
    file = texts.joinpath(folder, name)
    if not file.is_file():
        file = texts.joinpath(_COMMON, name)
    return Template(file.read_text("utf-8").strip())
