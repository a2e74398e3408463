"""Simulated handsets.  They know the text they received, the address it came from, and who holds them: nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from rehearsal.draws import Floats, Numbers, draw_key, lognormal, uniform, uniform_one
from rehearsal.people import People, Person
from rehearsal.reading import Plea, understand
from rehearsal.smsc.settings import HandsetSettings


class Means(StrEnum):
    """How a person answers."""

    SMS = "sms"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a person will do, and when (epoch seconds of appeal time)."""

    due: float
    number: int
    sender: str
    means: Means
    words: str
    again: bool = False  # the gateway will push it twice


_WORDS = {
    ("yes", "zh"): ("1", "1", "1", "１", "1。", "愿意", "能", "可以", "我愿意", "好的"),
    ("yes", "en"): ("1", "1", "yes", "Yes", "YES", "y"),
    ("no", "zh"): ("2", "2", "２", "不能", "不方便", "去不了"),
    ("no", "en"): ("2", "2", "no", "No"),
    ("opt-out", "zh"): ("R", "r", "Ｒ", "TD", "退订"),
    ("opt-out", "en"): ("R", "STOP", "stop"),
    ("nonsense", "zh"): ("谁？", "？", "什么意思", "收到"),
    ("nonsense", "en"): ("?", "who is this", "what", "hm"),
}
_MOODS = {words: mood for (mood, _), several in _WORDS.items() for words in several}


def mood_of(words: str) -> str | None:
    """What a simulated person means by these words: yes, no, opt-out or nonsense."""
    return _MOODS.get(words)


class Handsets:
    """All of them.  The same seed, number and text always give the same answer, in whatever order messages arrive."""

    def __init__(self, people: People, settings: HandsetSettings, seed: int) -> None:
        self._people = people
        self._settings = settings
        self._seed = seed
        self._answered: set[tuple[int, str, str]] = set()
        self._key = lru_cache(maxsize=10_000)(lambda *words: draw_key(seed, *words))
        self._understand = lru_cache(maxsize=10_000)(understand)
        self._liveliness = settings.no_rate + settings.opt_out_rate + settings.nonsense_rate

    def hear(self, text: str, sender: str, numbers: Numbers, at: Floats) -> list[Reaction]:
        """What the people with these numbers will do about `text`, which reached them at these moments."""
        plea = self._understand(text)
        if plea is None:
            return []
        draws = uniform(self._key("says", text), numbers)
        # Few draws can mean anything for anybody; only their persons are looked up.
        most = max(self._settings.yes_match, self._settings.yes_other) + self._liveliness
        few = np.nonzero(draws < most)[0]
        found = (
            self._react(plea, text, sender, int(numbers[place]), float(at[place]), float(draws[place])) for place in few
        )
        return [reaction for reaction in found if reaction]

    def _react(self, plea: Plea, text: str, sender: str, number: int, at: float, draw: float) -> Reaction | None:
        person = self._people.who(number)
        mood = self._mood(plea, person, draw) if person else None
        if person is None or mood is None or (number, sender, text) in self._answered:
            return None
        self._answered.add((number, sender, text))
        calls = mood == "yes" and self._draw(number, "calls", text) < self._settings.call_share
        delay = lognormal(
            self._settings.reply_median_minutes * 60, self._settings.reply_sigma, self._draw(number, "waits", text)
        )
        return Reaction(
            due=at + delay,
            number=number,
            sender=sender,
            means=Means.CALL if calls else Means.SMS,
            words=self._pick(_WORDS[mood, person.language], number, text),
            again=not calls and self._draw(number, "pushed twice", text) < self._settings.pushed_twice,
        )

    def _mood(self, plea: Plea, person: Person, draw: float) -> str | None:
        settings = self._settings
        yes = settings.yes_match if plea.means(person.abo, person.rhd) else settings.yes_other
        bands = (
            ("yes", yes),
            ("no", settings.no_rate),
            ("opt-out", settings.opt_out_rate),
            ("nonsense", settings.nonsense_rate),
        )
        for mood, width in bands:
            if draw < width:
                return mood
            draw -= width
        return None

    def _draw(self, number: int, *words: str) -> float:
        return uniform_one(self._key(*words), number)

    def _pick(self, words: Sequence[str], number: int, text: str) -> str:
        return words[int(self._draw(number, "words", text) * len(words))]
