"""Tells a database that is away, full or busy from a mistake of ours: the one is waited for, the other must be loud."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from registry.errors import DatabaseUnreachable

_SQL_LOGIC_ERROR = 1  # SQLITE_ERROR: no such table, a slip in a statement; waiting would not mend it


@contextmanager
def unreachable_named() -> Iterator[None]:
    """Raises `DatabaseUnreachable` in place of the driver's own errors that mean it."""
    try:
        yield
    except DBAPIError as exc:
        if is_unreachable(exc):
            lines = str(exc.orig).splitlines() or [type(exc.orig).__name__]
            raise DatabaseUnreachable(lines[0]) from exc
        raise


def is_unreachable(exc: Exception) -> bool:
    """True if the same statements may well succeed later."""
    if not isinstance(exc, DBAPIError):
        return False
    if getattr(exc.orig, "sqlite_errorcode", None) == _SQL_LOGIC_ERROR:
        return False
    return exc.connection_invalidated or isinstance(exc, OperationalError | InterfaceError)
