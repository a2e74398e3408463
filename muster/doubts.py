"""Who is uncertain in an appeal, by id, for a person who may want to call them."""

from dataclasses import dataclass

from sqlalchemy import Connection

from registry import appeals, uncertain

_LINE = 76


@dataclass(frozen=True, slots=True)
class Doubts:
    """Members of whom nobody knows whether they were reached, by wave and id."""

    appeal_id: str
    waves: dict[int, list[int]]

    def as_json(self) -> dict[str, object]:
        listed = [
            {"member_id": member_id, "wave": wave} for wave, members in self.waves.items() for member_id in members
        ]
        return {"appeal_id": self.appeal_id, "uncertain": listed}

    def as_words(self) -> str:
        if not self.waves:
            return f"Nobody is uncertain in appeal {self.appeal_id}."
        lines = []
        for wave, members in self.waves.items():
            lines += [f"Wave {wave}, {len(members):,} members:", *_filled([str(member) for member in members])]
        return "\n".join(lines)


def read(connection: Connection, appeal_id: str) -> Doubts:
    """Raises `NotFound`."""
    appeals.appeal(connection, appeal_id)
    found = uncertain.doubtful(connection, appeal_id)
    if not found:
        return Doubts(appeal_id, {})
    ids = uncertain.member_ids(connection, found, uncertain.batch_size(connection, appeal_id))
    waves: dict[int, list[int]] = {}
    for item in found:
        if still := item.still():
            waves.setdefault(item.name.wave, []).extend(ids[item.batch_id][position] for position in still)
    return Doubts(appeal_id, {wave: sorted(waves[wave]) for wave in sorted(waves)})


def _filled(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > _LINE:
            lines.append("")
        lines[-1] += f"  {word}"
    return lines
