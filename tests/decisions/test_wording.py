"""What members read is short, says who writes and how to stop it, and never promises what the blood station decides."""

import pytest

from decisions.programmes import PROGRAMMES
from decisions.replies import understand
from decisions.reply_words import Intent, Reason
from decisions.segments import Alphabet, segment
from decisions.wording import Kind, check_mass_text, render, render_mass
from schemas.words import ABO, Language

OTHERS = [kind for kind in Kind if kind is not Kind.MASS]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("programme", PROGRAMMES)
@pytest.mark.parametrize("rhd_negative", [False, True], ids=["any RhD", "RhD-negative"])
def test_the_plea_of_every_programme_is_one_message_that_passes_the_linter(programme, language, rhd_negative):
    for abo in ABO:
        text = render_mass(programme, language, abo=abo, rhd_negative=rhd_negative)
        cut = segment(text)

        assert check_mass_text(text) == []
        assert len(cut.parts) == 1
        assert sum(cut.units) <= (70 if language is Language.CHINESE else 160)
        assert cut.alphabet is (Alphabet.UCS2 if language is Language.CHINESE else Alphabet.GSM7)
        assert abo.value in text or not PROGRAMMES[programme].needs_blood


def test_the_plea_reads_as_agreed():
    chinese = render_mass("platelets", Language.CHINESE, abo=ABO.AB)
    english = render_mass("platelets", Language.ENGLISH, abo=ABO.AB)

    assert chinese == "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"
    assert english == "[BFTU] Urgent: group AB platelets needed. Can you donate? Reply 1 yes, 2 no. Opt out: R"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("programme", [None, *PROGRAMMES])
def test_every_answer_to_a_member_is_one_message(programme, kind, language):
    text = render(kind, language, programme)

    assert len(segment(text).parts) == 1
    assert text.startswith("【北京市总工会】" if language is Language.CHINESE else "[BFTU] ")
    assert "可以献血" not in text
    assert "you can donate" not in text.lower()


def test_a_programme_has_words_of_its_own_where_it_needs_them():
    assert "血站" in render(Kind.ACK_YES, Language.CHINESE, "platelets")
    assert "血站" not in render(Kind.ACK_YES, Language.CHINESE)
    assert render(Kind.CLOSED, Language.CHINESE, "platelets") == render(Kind.CLOSED, Language.CHINESE)


def test_a_missing_programme_or_variable_is_an_error():
    with pytest.raises(KeyError):
        render(Kind.ACK_YES, Language.CHINESE, "moon-dust")
    with pytest.raises(KeyError):
        render(Kind.MASS, Language.CHINESE, "platelets")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("programme", PROGRAMMES)
def test_our_own_words_sent_back_are_no_answer(programme, language):
    reading = understand(render_mass(programme, language, abo=ABO.AB))

    assert (reading.intent, reading.reason) == (Intent.UNCLEAR, Reason.QUOTED)
