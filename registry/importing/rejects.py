"""`FILE.rejects.csv`: what could not be imported, where it stands, why, and what to do.  Never a value."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from registry.importing.chunk import Reject

_HEADER: Final = ("line", "column", "value", "reason", "remedy")
_BOM: Final = "\ufeff"  # without it Excel takes UTF-8 for something else


class RejectsFile:
    """Grows chunk by chunk; what a crash left beyond the last committed chunk is cut off."""

    def __init__(self, path: Path, *, size: int) -> None:
        self.path = path
        self._file = path.open("r+b" if size and path.exists() else "w+b")
        self._file.truncate(size)
        self._file.seek(0, os.SEEK_END)
        self.size = self._file.tell()

    def add(self, rejects: Sequence[Reject]) -> int:
        """Write these, durably; the size of the file from now on."""
        if rejects:
            text = io.StringIO()
            writer = csv.writer(text)
            if self.size == 0:
                text.write(_BOM)
                writer.writerow(_HEADER)
            writer.writerows((item.line, item.column, item.value, item.reason, item.remedy) for item in rejects)
            self.size += self._file.write(text.getvalue().encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        return self.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)
