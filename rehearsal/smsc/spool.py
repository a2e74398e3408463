"""The record's paper: every submit_sm that is about to be answered with ESME_ROK, raw, in the order of its answer.

A frame is in the file before its answers are written to the socket, so the record survives the end of either process
(not a power cut: it does not wait for the disk).  What a kill tore in the middle was never answered and is cut off.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_MAGIC = b"MUSTER-SMSC-RECORD-1\n"
_FRAME = struct.Struct(">IIQdd")  # octets, messages, first message id, real time, appeal time


class RecordUnreadable(Exception):
    """The state folder holds something else, or another simulator is writing to it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Messages accepted together; their ids count up from `first_id`."""

    octets: bytes
    count: int
    first_id: int
    real: float
    appeal: float


class Spool:
    """An append-only file of frames, owned by one process.  Raises `RecordUnreadable` when it cannot be."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._fd)
            raise RecordUnreadable(f"{path} is in use by another simulator") from exc
        self._size = os.fstat(self._fd).st_size
        if not self._size:
            self._size = os.write(self._fd, _MAGIC)
        elif os.pread(self._fd, len(_MAGIC), 0) != _MAGIC:
            os.close(self._fd)
            raise RecordUnreadable(f"{path} is no record of this version; give another --state-dir")

    def frames(self) -> Iterator[Frame]:
        """All that was recorded before; afterwards the file ends with the last whole frame."""
        at = len(_MAGIC)
        while len(head := os.pread(self._fd, _FRAME.size, at)) == _FRAME.size:
            length, count, first_id, real, appeal = _FRAME.unpack(head)
            octets = os.pread(self._fd, length, at + _FRAME.size)
            if len(octets) < length:
                break
            yield Frame(octets, count, first_id, real, appeal)
            at += _FRAME.size + length
        os.ftruncate(self._fd, at)
        os.lseek(self._fd, at, os.SEEK_SET)
        self._size = at

    def append(self, frame: Frame) -> None:
        """The frame is with the operating system.  Raises `OSError` when it does not fit, and then leaves no trace."""
        head = _FRAME.pack(len(frame.octets), frame.count, frame.first_id, frame.real, frame.appeal)
        try:
            _write_whole(self._fd, head, frame.octets)
        except OSError:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += _FRAME.size + len(frame.octets)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_whole(fd: int, *pieces: bytes) -> None:
    written, size = os.writev(fd, pieces), sum(map(len, pieces))
    if written != size:
        raise OSError(f"only {written} of {size} octets of the record were written")
