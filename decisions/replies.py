"""What a member's reply means: understood where it is plain, handed to a person where it is not.

A stop is honoured generously, a yes or a no only when nothing speaks against it.  The rules are tried in order
(`_RULES`); the words that they know are in `decisions.reply_words`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from decisions import reply_words as say
from decisions.reply_text import has_symbol, plain, trimmed, without_our_own
from decisions.reply_words import Intent, Reason
from schemas.words import Answer

PERSON_BELOW = 0.7
_CONFIDENCE: Mapping[Reason, float] = {Reason.EXACT: 0.99, Reason.LEADING: 0.9, Reason.PHRASE: 0.85, Reason.TIMED: 0.85}
_REMARKED = 0.8  # an answer with a remark beside it
_NOT_UNDERSTOOD = 0.5
_DECIDED = frozenset({Intent.YES, Intent.NO, Intent.OPT_OUT, Intent.WITHDRAW_OR_OPT_OUT})
_MARK = "⏱"
_LONGEST = 500  # characters that are read; a person sees all of them


@dataclass(frozen=True, slots=True)
class Reading:
    """How a reply was understood; `prefix` is the capital letter that names one of several open appeals."""

    intent: Intent
    reason: Reason
    confidence: float
    prefix: str | None = None

    @property
    def needs_person(self) -> bool:
        """True when a person must read the words."""
        return self.intent in (Intent.QUESTION, Intent.UNCLEAR) or self.confidence < PERSON_BELOW


def understand(text: str) -> Reading:
    """What these words mean.  Never raises, whatever somebody typed."""
    words = plain(text[:_LONGEST])
    if not trimmed(words):
        return _without_words(words)
    added = without_our_own(words)
    if not trimmed(added):
        return _read(Intent.UNCLEAR, Reason.QUOTED)
    return _first_that_knows(_RULES, added)


def _first_that_knows(rules: Sequence["_Rule"], words: str) -> Reading:
    core = trimmed(words)
    for rule in rules:
        reading = rule(words, core)
        if reading is not None:
            return reading
    return _read(Intent.UNCLEAR, Reason.UNKNOWN)


def resolved(reading: Reading, *, open_yes: bool) -> Reading:
    """The same with "cancel" settled: it takes back an open yes, and otherwise is an opt-out."""
    if reading.intent is not Intent.WITHDRAW_OR_OPT_OUT:
        return reading
    return replace(reading, intent=Intent.WITHDRAW if open_yes else Intent.OPT_OUT)


def answer_of(reading: Reading, *, open_yes: bool) -> Answer | None:
    """The answer that is recorded for an appeal; none if this reply gives none, or if a person must read it first."""
    if reading.needs_person:
        return None
    match resolved(reading, open_yes=open_yes).intent:
        case Intent.YES:
            return Answer.YES
        case Intent.NO:
            return Answer.WITHDRAWN if open_yes else Answer.NO
        case Intent.WITHDRAW:
            return Answer.WITHDRAWN
        case Intent.OPT_OUT:
            return Answer.WITHDRAWN if open_yes else None
        case _:
            return None


def _read(intent: Intent, reason: Reason) -> Reading:
    if intent in _DECIDED:
        return Reading(intent, reason, _CONFIDENCE.get(reason, _REMARKED))
    return Reading(intent, reason, 0.99 if intent is Intent.EMPTY else _NOT_UNDERSTOOD)


def _without_words(words: str) -> Reading:
    if "?" in words:
        return _read(Intent.QUESTION, Reason.ASKS)
    return _read(Intent.UNCLEAR if has_symbol(words) else Intent.EMPTY, Reason.NO_WORDS)


# --- the rules, first match wins --------------------------------------------------------------------------------------


def _exact(words: str, core: str) -> Reading | None:
    found = _look_up(core) or _look_up(trimmed(say.LEAD_IN.sub("", core)))
    if found is not None and found.intent in (Intent.YES, Intent.NO) and "?" in words:
        return _read(Intent.QUESTION, Reason.ASKS)
    return found


def _look_up(core: str) -> Reading | None:
    for form in (core, re.sub(r"[\s.\-·_]+", "", core)):
        if form in say.EXACT:
            return _read(say.EXACT[form], Reason.EXACT)
        if form in say.EXACT_REASON:
            return _read(*say.EXACT_REASON[form])
    return None


def _opt_out(words: str, core: str) -> Reading | None:
    rest, negated = say.NOT_STOPPING.subn(" ", say.HARMLESS_STOP.sub(" ", core))
    if say.OPT_OUT.search(trimmed(rest)) or _has_opt_out_letter(words, core):
        return _read(Intent.OPT_OUT, Reason.PHRASE)
    return _read(Intent.UNCLEAR, Reason.CONTRADICTORY) if negated else None


def _has_opt_out_letter(words: str, core: str) -> bool:
    latin = set(re.findall(r"[a-z]+", core))
    return (
        say.LETTER_AT_EDGE.search(core) is not None
        and latin <= say.OPT_OUT_LETTERS | say.POLITE
        and not say.QUESTION.search(words)
    )


def _for_one_of_several(words: str, _core: str) -> Reading | None:
    found = say.PREFIXED.match(trimmed(words))
    if found is None:
        return None
    letter, rest = found.groups()
    asked = "?" if words.rstrip().endswith("?") else ""
    # One letter names one appeal: what follows it is read without looking for another.
    reading = _first_that_knows([rule for rule in _RULES if rule is not _for_one_of_several], rest + asked)
    plain_enough = reading.reason is Reason.EXACT or not rest[:1].isascii()
    return replace(reading, prefix=letter.upper()) if plain_enough and reading.intent in _DECIDED else None


def _withdrawal(words: str, core: str) -> Reading | None:
    if say.WITHDRAW.search(core) and not say.QUESTION.search(words):
        return _read(Intent.WITHDRAW_OR_OPT_OUT, Reason.PHRASE)
    return None


def _distrust(words: str, _core: str) -> Reading | None:
    return _read(Intent.QUESTION, Reason.DISTRUST) if say.DISTRUST.search(words) else None


def _question(words: str, _core: str) -> Reading | None:
    return _read(Intent.QUESTION, Reason.ASKS) if say.QUESTION.search(say.TIME.sub(_MARK, words)) else None


def _number(_words: str, core: str) -> Reading | None:
    if not re.fullmatch(r"[\d\W_]+", core):
        return None
    return None if say.TIME.search(core) else _read(Intent.UNCLEAR, Reason.DIGITS)


def _digit_and_remark(_words: str, core: str) -> Reading | None:
    bare = _without_measures(core)
    digits = set(re.findall(r"(?<![0-9a-z])[12](?![0-9a-z])", bare))
    if not digits or not (re.match(r"[12](?![0-9a-z])", bare) or re.search(r"[\W_选复是回答发按][12]$", bare)):
        return None
    said = {Intent.YES if digit == "1" else Intent.NO for digit in digits}
    if len(said | _clauses(re.sub(r"(?<![0-9])[12](?![0-9])", "", bare))) > 1:
        return _read(Intent.UNCLEAR, Reason.CONTRADICTORY)
    return _weigh(said.pop(), core, Reason.LEADING)


def _sentence(_words: str, core: str) -> Reading | None:
    if say.DOUBLE_NEGATION.search(core):
        return _read(Intent.UNCLEAR, Reason.CONTRADICTORY)
    if say.UNSURE.search(core):
        return _read(Intent.UNCLEAR, Reason.UNSURE)
    said = _clauses(_without_measures(core))
    if len(said) > 1:
        return _read(Intent.UNCLEAR, Reason.CONTRADICTORY)
    if said:
        return _weigh(said.pop(), core, Reason.TIMED if say.TIME.search(core) else Reason.PHRASE)
    remark = _remark(core)
    return _read(Intent.UNCLEAR, remark) if remark else None


_Rule = Callable[[str, str], Reading | None]
_RULES: tuple[_Rule, ...] = (
    _exact,
    _opt_out,  # before everything that is not the whole reply: a stop wins
    _for_one_of_several,
    _withdrawal,
    _distrust,
    _question,
    _number,
    _digit_and_remark,
    _sentence,
)

# --- yes and no, clause by clause -------------------------------------------------------------------------------------

_REMARKS: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    (Reason.REFERRAL, say.REFERRAL),
    (Reason.HEALTH, say.HEALTH),
    (Reason.DONATED, say.DONATED),
    (Reason.BLOOD_TYPE, say.BLOOD_TYPE),
)


def _without_measures(core: str) -> str:
    """The words without times and counts, so that no digit of them is taken for an answer."""
    return say.COUNTED.sub(" ", say.TIME.sub(_MARK, core))


def _clauses(words: str) -> set[Intent]:
    """What the clauses say, each by itself; somebody else's yes does not count, and within a clause negation beats."""
    apart = re.sub(r"(?<=[a-z])(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff])(?=[a-z])", " ", words)
    clauses = (clause.strip() for clause in say.CLAUSE_END.split(apart))
    said = (_clause(clause) for clause in clauses if clause and not say.REFERRAL.search(clause))
    return {intent for intent in said if intent is not None}


def _clause(clause: str) -> Intent | None:
    if say.NEGATION.search(say.NO_NEGATION.sub(" ", clause).strip()):
        return Intent.NO
    return Intent.YES if say.AFFIRMATION.search(clause) else None


def _remark(core: str) -> Reason | None:
    return next((reason for reason, pattern in _REMARKS if pattern.search(core)), None)


def _weigh(said: Intent, core: str, reason: Reason) -> Reading:
    """The answer with its remark; who says yes and is ill, or gave lately, is called by a person first."""
    remark = _remark(core)
    if said is Intent.YES and remark in (Reason.HEALTH, Reason.DONATED):
        return _read(Intent.UNCLEAR, remark)
    return _read(said, remark or reason)
