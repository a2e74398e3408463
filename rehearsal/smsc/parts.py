"""Pieces of long messages, put together the way a handset does it."""

from dataclasses import dataclass, field

from rehearsal.smsc.submission import Letter, Part


@dataclass(slots=True)
class _Jigsaw:
    pieces: dict[int, Letter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Key:
    number: int
    sender: str
    reference: int
    total: int
    kind: str


class Assembly:
    """Waits for the missing pieces of each message."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, list[_Jigsaw]] = {}

    def add(self, number: int, letter: Letter, part: Part) -> list[Letter] | None:
        """All pieces in order once the last one is there.

        A piece that came before begins a second message with the same reference: a message sent twice shows as two,
        in whatever order its pieces arrive.
        """
        key = _Key(number, letter.sender, part.reference, part.total, part.kind)
        jigsaws = self._waiting.setdefault(key, [])
        jigsaw = next((known for known in jigsaws if part.number not in known.pieces), None)
        if jigsaw is None:
            jigsaw = _Jigsaw()
            jigsaws.append(jigsaw)
        jigsaw.pieces[part.number] = letter
        if len(jigsaw.pieces) < part.total:
            return None
        jigsaws.remove(jigsaw)
        if not jigsaws:
            del self._waiting[key]
        return [jigsaw.pieces[place] for place in range(1, part.total + 1)]

    def incomplete(self) -> dict[str, tuple[int, int]]:
        """Per reference: messages that still lack a piece, and the pieces of them that are there."""
        found: dict[str, tuple[int, int]] = {}
        for jigsaws in self._waiting.values():
            for jigsaw in jigsaws:
                reference = next(iter(jigsaw.pieces.values())).reference
                messages, pieces = found.get(reference, (0, 0))
                found[reference] = (messages + 1, pieces + len(jigsaw.pieces))
        return found
