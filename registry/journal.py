"""The journal of a claim: which of its messages have left and which were answered, for whoever comes after a process that dies.

A claim is in the ledger, on the disk, before its first byte leaves.  How far the sending has come since stands here, in a
small file that is written through the memory of the machine: it outlives the process, whatever kills it, and costs no
waiting for a disk.  When the machine itself dies the file may be behind what was sent, so a journal counts only within the
boot of the machine that it was written in; without one everybody in the claim is uncertain.  It holds positions and the
gateway's ids, and nobody's number.
"""

import mmap
import os
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.leases import boot_id

_SUFFIX: Final = ".journal"
_TOKEN: Final = 64  # octets, filled up with nulls; then the entries
_STATE: Final = 1  # octet, written last: an entry counts once it is there, and a null ends the journal
# First position, how many, octets of their ids; then the positions, if listed, and the ids.
_REST: Final = struct.Struct("<III")
_LISTED: Final = 0x80  # added to the state: the positions do not follow each other
_SIZE: Final = 256 * 1024  # more than the ids of the longest claim take
_KEPT_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a journal tells: one state a position of its claim (0 = it never left), and the gateway's ids beside them."""

    states: bytes
    gateway_ids: list[str]


class Journal:
    """Of one claim after the other; written by one owner."""

    __slots__ = ("_end", "_file", "_memory", "_path")

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self._file, 0, _SIZE)  # a full disk is told here, and not while it is written to
            self._memory = mmap.mmap(self._file, _SIZE)
        except OSError:
            os.close(self._file)
            path.unlink()
            raise
        self._end = _TOKEN

    def begin(self, token: str) -> None:
        """It is the journal of the claim with this token from now on, and tells nothing yet."""
        self._memory[: self._end] = bytes(self._end)
        self._memory[:_TOKEN] = token.encode().ljust(_TOKEN, b"\0")
        self._end = _TOKEN

    def note(self, positions: Sequence[int], state: int, gateway_ids: Sequence[str] = ()) -> None:
        """From now on this is known of these positions.  `gateway_ids` run parallel, if there are any.

        Raises OSError: then it counts for none of them.
        """
        if not positions:
            return
        if self._memory.closed:
            raise OSError("the journal has been left to whoever comes after")
        ids = "\n".join(gateway_ids).encode()
        listed = b"" if isinstance(positions, range) else array("I", positions).tobytes()
        rest = _REST.pack(positions[0], len(positions), len(ids)) + listed + ids
        start = self._end + _STATE
        end = start + len(rest)
        if end >= len(self._memory):
            self._grow(end)
        self._memory[start:end] = rest
        self._memory[self._end] = state | (_LISTED if listed else 0)
        self._end = end

    def close(self) -> None:
        """Leave it to whoever comes after."""
        self._memory.close()
        os.close(self._file)

    def drop(self) -> None:
        """Nobody will ask for it."""
        self.close()
        with suppress(OSError):
            self._path.unlink()

    def _grow(self, needed: int) -> None:
        size = len(self._memory)
        while size <= needed:
            size *= 2
        os.posix_fallocate(self._file, 0, size)
        self._memory.resize(size)


class Journals:
    """The journals in one folder, which all workers of a machine may share; without a folder there are none."""

    def __init__(self, folder: Path | None, *, owner: str = "", boot: Callable[[], str] = boot_id) -> None:
        self._folder = None if folder is None else folder / boot()
        self._owner = owner
        self._made = 0
        self._free: list[Journal] = []

    def begin(self, token: str) -> Journal | None:
        """For the claim with this token, before that is made.  None without a folder that can be written to."""
        if self._folder is None:
            return None
        if not self._free:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._free.append(Journal(self._folder / f"{self._owner}-{self._made}{_SUFFIX}"))
            except OSError:
                return None
            self._made += 1
        journal = self._free.pop()
        journal.begin(token)
        return journal

    def give_back(self, journal: Journal) -> None:
        """The ledger knows all that it tells, or nothing was claimed."""
        self._free.append(journal)

    def read(self, token: str, size: int) -> Told | None:
        """What the journal of a claim of `size` positions tells; none when there is no journal to be believed."""
        if self._folder is None:
            return None
        header = token.encode().ljust(_TOKEN, b"\0")
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError), path.open("rb") as file:
                if file.read(_TOKEN) == header:
                    with suppress(ValueError, struct.error):  # what cannot be read is not believed
                        return _told(file.read(), size)
        return None

    def close(self) -> None:
        """Drop those that are not in use: nothing is begun any more."""
        while self._free:
            self._free.pop().drop()

    def tidy(self, now: float) -> None:
        """Drop those of other boots, and those that nobody has written to for a day."""
        if self._folder is None or not self._folder.parent.is_dir():
            return
        oldest = now - _KEPT_SECONDS
        for path in self._folder.parent.glob(f"*/*{_SUFFIX}"):
            with suppress(OSError):
                if path.parent != self._folder or path.stat().st_mtime < oldest:
                    path.unlink()
        for folder in self._folder.parent.iterdir():
            if folder != self._folder:
                with suppress(OSError):
                    folder.rmdir()


def _told(entries: bytes, size: int) -> Told | None:
    states, gateway_ids, at = bytearray(size), [""] * size, 0
    while at < len(entries) and (state := entries[at]):
        first, count, length = _REST.unpack_from(entries, at + _STATE)
        at += _STATE + _REST.size
        if count > size:
            return None  # of another claim: not to be believed
        positions: Sequence[int] = range(first, first + count)
        if state & _LISTED:
            positions = array("I", entries[at : at + count * array("I").itemsize])
            at += count * positions.itemsize
        if max(positions) >= size:
            return None
        ids = entries[at : at + length].decode().split("\n") if length else [""] * count
        at += length
        for position, gateway_id in zip(positions, ids, strict=True):
            states[position], gateway_ids[position] = state & ~_LISTED, gateway_id
    return Told(bytes(states), gateway_ids)
