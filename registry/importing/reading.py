"""Reads a file of members ahead in a process of its own: one core understands rows while another stores them.

The process is a plain child that ends when nobody reads what it writes any more, however its parent went.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import IO, Final

from decisions.districts import load_districts
from registry.importing.chunk import Chunk
from registry.importing.errors import UnusableFile
from registry.importing.records import blocks
from registry.importing.rows import RowReader
from registry.importing.survey import Survey

_WORTH_A_PROCESS: Final = 8 << 20  # bytes; starting one takes as long as reading a few of them
_COMMAND: Final = (sys.executable, "-P", "-c", "from registry.importing.reading import main; main()")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read: the surveyed file from this offset on, which is the start of this physical line."""

    survey: Survey
    offset: int
    line: int
    size: int
    today: date

    @property
    def apart(self) -> bool:
        """Whether a process of its own pays off."""
        return self.survey.size - self.offset >= _WORTH_A_PROCESS and (os.cpu_count() or 1) > 1

    def chunks(self) -> Iterator[Chunk]:
        """The file, a block of about `size` bytes at a time."""
        reader = RowReader(self.survey, load_districts(), self.today)
        with self.survey.path.open("rb") as file:
            for block in blocks(
                file, offset=self.offset, line=self.line, size=self.size, separator=self.survey.separator
            ):
                yield reader.read(block)


@contextmanager
def read_apart(reading: Reading) -> Iterator[Iterator[Chunk]]:
    """The same chunks, each read while the caller works on the one before.  Raises `UnusableFile` if that breaks off."""
    with subprocess.Popen(  # noqa: S603 - a constant
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):  # then nothing comes back either
                pickle.dump(reading, process.stdin)
                process.stdin.close()
            yield _received(process.stdout)
        finally:
            process.kill()


def _received(pipe: IO[bytes]) -> Iterator[Chunk]:
    try:
        while (chunk := pickle.load(pipe)) is not None:  # noqa: S301 - our own child wrote it
            yield chunk
    except (EOFError, pickle.UnpicklingError) as exc:
        raise UnusableFile("reading the file broke off: import it again, it goes on where it stopped") from exc


def main() -> None:
    """The child: chunks to standard output, and none at the end."""
    gc.disable()  # nothing here forms circles, and looking for them takes a third of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    reading = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    try:
        for chunk in reading.chunks():
            pickle.dump(chunk, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
        pickle.dump(None, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(0)  # nobody wants to know the rest; an orderly end would flush, and fail again
