"""What kind of value stood in a cell, without the value: rejects are read by more people than members agreed to."""

_KINDS = (
    ("digits", str.isdigit),
    ("Chinese characters", lambda sign: "\u4e00" <= sign <= "\u9fff"),
    ("letters", str.isalpha),
    ("spaces", str.isspace),
    ("signs", lambda _: True),
)


def describe(text: str) -> str:
    """The class of a value: "10 digits", "12 characters: digits and letters", "empty"."""
    if not text:
        return "empty"
    kinds = [next(name for name, fits in _KINDS if fits(sign)) for sign in text]
    found = [name for name, _ in _KINDS if name in kinds]
    if len(found) > 1:
        return f"{len(text)} characters: {', '.join(found[:-1])} and {found[-1]}"
    return f"{len(text)} {found[0] if len(text) > 1 else found[0].removesuffix('s')}"
