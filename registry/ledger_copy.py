"""The ledger copy: what a restored backup must not forget, in a second folder before the first byte leaves.

Claims, and the selections and repeats that fix whom they mean, as lines of JSON with ids alone; one file per worker.  A line is
on the disk before the transaction that it belongs to commits, so the copy never knows less than the ledger.  It may know
of claims that were rolled back or taken back: whoever reads it errs on the side of having asked.
"""

import base64
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from registry.errors import DatabaseUnreachable, Refused

_SUFFIX: Final = ".claims.jsonl"
_SETTING: Final = "MUSTER_LEDGER_COPY"


class Claimed(NamedTuple):
    """These positions of a batch, `last` not included, were about to be sent."""

    batch_id: str
    first: int
    last: int
    appeal_id: str
    wave: int


class Selected(NamedTuple):
    """Whom a shard invited in a wave, as packed ids."""

    appeal_id: str
    wave: int
    shard: int
    members: bytes


class Repeated(NamedTuple):
    """Whom a second attempt means, as `uncertain.packed`."""

    batch_id: str
    positions: bytes


Line = Claimed | Selected | Repeated
_KINDS: Final[dict[str, type[Line]]] = {"claim": Claimed, "selection": Selected, "again": Repeated}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_PACKED: Final = "base64:"


class LedgerCopy:
    """Appends to a file of its own in that folder; without a folder it keeps nothing."""

    def __init__(self, folder: Path | None, owner: str) -> None:
        """Raises `Refused` where the folder cannot be written to."""
        self._file: int | None = None
        self._end = 0
        self._writing = threading.Lock()
        if folder is not None:
            self._file = _begin(folder, owner)

    def append(self, lines: Iterable[Line]) -> None:
        """Return once these lines are on the disk.  Raises `DatabaseUnreachable`: then none of them counts."""
        if self._file is None:
            return
        written = b"".join(map(_written, lines))
        if not written:
            return
        with self._writing:
            try:
                _write_all(self._file, written, self._end)
                os.fdatasync(self._file)
            except OSError as exc:
                self._cut_off()
                raise _unreachable(exc) from exc
            self._end += len(written)

    def _cut_off(self) -> None:
        """Nothing stays of what was not written whole; where even that fails, the next lines are written over it."""
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._end)
        except OSError:
            return

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _begin(folder: Path, owner: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / f"{owner}{_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)  # else the file itself may be gone after a power cut
        finally:
            os.close(entry)
    except OSError as exc:
        raise Refused(f"{_SETTING}: {folder}: {exc.strerror}: name a folder that can be written to") from exc
    return file


def _write_all(file: int, data: bytes, offset: int) -> None:
    """A write may take only a part of it."""
    left = memoryview(data)
    while left:
        taken = os.pwrite(file, left, offset)
        left, offset = left[taken:], offset + taken


def _unreachable(exc: OSError) -> DatabaseUnreachable:
    return DatabaseUnreachable(f"{_SETTING}: {exc.strerror or exc}: nothing is sent before it can be written to")


def _written(line: Line) -> bytes:
    values = [_PACKED + base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in line]
    return json.dumps([_NAMES[type(line)], *values], separators=(",", ":")).encode() + b"\n"


# --- reading it -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remembered:
    """All that the files of a folder say."""

    claims: dict[str, list[Claimed]] = field(default_factory=dict)  # by batch
    selections: tuple[Selected, ...] = ()
    repeats: tuple[Repeated, ...] = ()


def remembered(folder: Path) -> Remembered:
    """What the copy in this folder knows.  Raises `Refused` when it is none, or damaged."""
    files = sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []
    if not files:
        raise Refused(
            f"{_SETTING}: no worker has written into {folder}: name the folder that the workers had, "
            "or restore with --without-copy"
        )
    claims: defaultdict[str, list[Claimed]] = defaultdict(list)
    selections, repeats = [], []
    for line in (line for path in files for line in _lines(path)):
        match line:
            case Claimed():
                claims[line.batch_id].append(line)
            case Selected():
                selections.append(line)
            case Repeated():
                repeats.append(line)
    return Remembered(dict(claims), tuple(selections), tuple(repeats))


def _lines(path: Path) -> Iterator[Line]:
    """Whatever the end of a torn line was about has not been sent: nobody waited for it in vain."""
    try:
        *whole, _torn = path.read_bytes().split(b"\n")
    except OSError as exc:
        raise Refused(f"{_SETTING}: {path.name} cannot be read ({exc.strerror})") from exc
    for number, text in enumerate(whole, start=1):
        try:
            name, *values = json.loads(text)
            yield _KINDS[name]._make(map(_unpacked, values))
        except (ValueError, TypeError, KeyError) as exc:
            raise Refused(
                f"{_SETTING}: line {number} of {path.name} is damaged: restore with --without-copy, "
                "which names more members uncertain"
            ) from exc


def _unpacked(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    packed = isinstance(value, str) and value.startswith(_PACKED)
    return base64.b64decode(str(value).removeprefix(_PACKED), validate=True) if packed else value
