"""SQLite held up where it asks the system for something."""

import _sqlite3
import ctypes
import threading
from pathlib import Path
from typing import Any, ClassVar, Self

_PATIENCE = 30.0
_POINTER, _INT, _SIZE, _OFFSET = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_int64


class _VFS(ctypes.Structure):
    """`sqlite3_vfs`, as far as it is needed."""

    _fields_: ClassVar[Any] = (
        *((name, _INT) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((f"unused_{n}", _POINTER) for n in range(16)),
        ("set", ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.c_char_p, _POINTER)),
        ("get", ctypes.CFUNCTYPE(_POINTER, _POINTER, ctypes.c_char_p)),
    )


class _HeldUp:
    """Within this context the first call of that name that is meant waits; it goes on at the end."""

    name: bytes
    signature: Any

    def __init__(self) -> None:
        find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
        find.restype = ctypes.POINTER(_VFS)
        self._vfs = find(None).contents
        self._there, self._on = threading.Event(), threading.Event()
        self._original = self._vfs.get(ctypes.addressof(self._vfs), self.name)
        self._call = self.signature(self._original)
        self._hook = self.signature(self._wait_and_call)

    def until_there(self) -> None:
        assert self._there.wait(_PATIENCE)

    def __enter__(self) -> Self:
        self._set(ctypes.cast(self._hook, _POINTER))
        return self

    def __exit__(self, *_: object) -> None:
        self._set(self._original)
        self._on.set()

    def _set(self, call: Any) -> None:
        assert self._vfs.set(ctypes.addressof(self._vfs), self.name, call) == 0

    def _wait_and_call(self, *values: Any) -> int:
        if not self._there.is_set() and self.means(values):
            self._there.set()
            self._on.wait(_PATIENCE)
        return int(self._call(*values))

    def means(self, values: tuple[Any, ...]) -> bool:
        raise NotImplementedError


class Copying(_HeldUp):
    """The first write into this file."""

    name = b"pwrite64"
    signature = ctypes.CFUNCTYPE(ctypes.c_ssize_t, _INT, _POINTER, _SIZE, _OFFSET)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def means(self, values: tuple[Any, ...]) -> bool:
        return Path(f"/proc/self/fd/{values[0]}").readlink() == self._path


class Forgetting(_HeldUp):
    """The moment at which it has found that others have written, and forgets what it had mapped into memory."""

    name = b"munmap"
    signature = ctypes.CFUNCTYPE(_INT, _POINTER, _SIZE)

    def means(self, values: tuple[Any, ...]) -> bool:
        return True
