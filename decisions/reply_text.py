"""What a member typed, brought into one form: width, case, script, invisible characters, quoted mail, our own words."""

import re
import unicodedata

LONGEST = 2_000  # nobody answers an appeal with more; the rest of a forwarded chain is not read
_TRIMMED = frozenset("PSZC")  # punctuation, symbols, separators, control characters
_INVISIBLE = frozenset(("Cf", "Me"))
_OUR_OWN = re.compile(r"【[^】]{2,32}】.*?拒收请?回复?r|\[[a-z ]{2,32}\].*?opt out: ?r", re.DOTALL)

# Only characters that our word lists use: a phone set to traditional script writes them, nobody else reads this.
_TRADITIONAL = str.maketrans(
    "訂願發報參來沒後點請復絕為別時鐘個間過辦騷擾輪誰嗎麼獻會騙號壓藥術懷燒進選擇煩們還應開車給對動陰陽",
    "订愿发报参来没后点请复绝为别时钟个间过办骚扰轮谁吗么献会骗号压药术怀烧进选择烦们还应开车给对动阴阳",
)


def plain(text: str) -> str:
    """The words in lower case, half width and simplified characters, blanks folded, quoted lines left out."""
    folded = unicodedata.normalize("NFKC", text[:LONGEST])
    visible = "".join(char for char in folded if not _is_invisible(char))
    lines = (line for line in visible.splitlines() if not line.lstrip().startswith(">"))
    words = " ".join(" ".join(lines).split()).lower().replace("’", "'").replace("‘", "'")
    return words.translate(_TRADITIONAL)


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE or "\ufe00" <= char <= "\ufe0f"


def trimmed(words: str) -> str:
    """The same without anything but letters, digits and marks at both ends."""
    first, last = 0, len(words)
    while first < last and unicodedata.category(words[first])[0] in _TRIMMED:
        first += 1
    while last > first and unicodedata.category(words[last - 1])[0] in _TRIMMED:
        last -= 1
    return words[first:last]


def without_our_own(words: str) -> str:
    """What the member added to a copy of our message: its "reply R" must not be taken for an opt-out."""
    return _OUR_OWN.sub(" ", words).strip()


def has_symbol(words: str) -> bool:
    """True when something is meant, though no word: an emoji, a currency sign."""
    return any(unicodedata.category(char).startswith("S") for char in words)
