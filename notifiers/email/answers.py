"""What a person wrote: the first lines of a message, without the history, the signature and the wrapping."""

import re
from email.message import Message

from notifiers.email.hypertext import text_of_html

MOST_LINES = 10
MOST_SIGNS = 500
# Patterns see no more than this: a message may be made to keep them busy.
LINES_READ = 1000
SIGNS_READ = 300
CHINESE = re.compile(r"^(x-)?(gb[-_]?2312.*|gbk|gb18030|cp936|euc-cn)$")

# Where the history begins: everything from such a line on was not written now.
HISTORY = re.compile(
    r"""^(?:
      (?:On|At)\b.{0,200}\bwrote\s?[:：]
    | 在.{0,200}写道\s?[:：]
    | .{0,120}于\s?\d{4}\s?年.{0,120}写道\s?[:：]
    | .{0,200}<[^<>\s]+@[^<>\s]+>.{0,80}(?:写道|wrote)\s?[:：]
    | (?:发件人|寄件者|寄件人|From)\s?[:：].*
    | [-_=*\ ]{2,}(?:原始邮件|原始信息|原始郵件|原邮件|转发邮件)[-_=*\ ]{2,}.*
    | [-_=*\ ]{2,}(?:Original\ (?:Message|mail)|Forwarded\ message)[-_=*\ ]{2,}.*
    | _{10,}
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
# A mail program may break such a line after any word.
OPENING = re.compile(r"^(?:(?:On|At)\b.*\d|在.*\d|.{1,120}于\s?\d{4}\s?年|.{0,60}<[^<>\s]+@[^<>\s]+>$)", re.IGNORECASE)
QUOTED = re.compile(r"^[>＞|]")
SIGNATURE = re.compile(
    r"""^(?:
      --
    | 发自我的.*
    | 发自.{0,20}(?:手机|邮箱|mail).*
    | 来自.{0,20}(?:手机|邮箱|邮件).*
    | Sent\ from\ .*
    | Get\ Outlook\ for\ .*
    )$""",
    re.VERBOSE | re.IGNORECASE,
)


def words_of(message: Message) -> str:
    """The first lines that a person wrote now; empty when there are none."""
    return first_words(body_of(message))


def body_of(message: Message) -> str:
    """The text of the message: its plain part, else its HTML part made plain, else nothing."""
    plain = hyper = None
    for part in message.walk():
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        kind = part.get_content_type()
        if kind == "text/plain" and plain is None:
            plain = _decoded(part)
        elif kind == "text/html" and hyper is None:
            hyper = _decoded(part)
    if plain is not None and plain.strip():
        return plain
    return text_of_html(hyper) if hyper is not None else ""


def first_words(text: str) -> str:
    """What stands above the history, or, where the answer was written below it, what was not quoted."""
    lines = [_tidy(line) for line in text.splitlines()[:LINES_READ]]
    start = next((i for i in range(len(lines)) if _history_begins(lines, i)), len(lines))
    kept = _own(lines[:start])
    if not kept and any(map(QUOTED.match, lines[start:])):
        # Only with quote marks can an answer below the history be told from the history.
        kept = _own(lines[start + 1 :])
    return "\n".join(kept[:MOST_LINES])[:MOST_SIGNS]


def _tidy(line: str) -> str:
    return " ".join(line.replace("\u200b", "").replace("\ufeff", "").split())[:SIGNS_READ]


def _history_begins(lines: list[str], at: int) -> bool:
    if HISTORY.match(lines[at]):
        return True
    if not OPENING.match(lines[at]):
        return False
    following = lines[at + 1 : at + 3]
    return any(
        HISTORY.match(" ".join([lines[at], *following[:more]])) and not any(map(OPENING.match, following[:more]))
        for more in range(1, len(following) + 1)
    )


def _own(lines: list[str]) -> list[str]:
    """The lines that are neither quoted nor empty, up to the signature."""
    end = next((i for i, line in enumerate(lines) if SIGNATURE.match(line)), len(lines))
    return [line for line in lines[:end] if line and not QUOTED.match(line)]


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    named = str(part.get_content_charset() or "").strip("\"' ")
    # Chinese programs say gb2312 and mean all of GB18030.
    first = ["gb18030"] if CHINESE.match(named) else [named] if named and named != "us-ascii" else []
    for charset in (*first, "utf-8", "gb18030"):
        try:
            return raw.decode(charset)
        except (UnicodeError, LookupError):
            continue
    return raw.decode("utf-8", "replace")
