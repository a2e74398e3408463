"""A transaction says that it leaves something for another part of this process, which is told once it has committed."""

from sqlalchemy import Connection

_KEY = "notice"


def leave_notice(connection: Connection) -> None:
    """What this transaction has written waits for somebody: see `Database.after_notice`."""
    connection.info[_KEY] = True


def take_notice(connection: Connection) -> bool:
    """Whether one was left on this connection.  One that was rolled back may be told with the next commit: it does no harm."""
    return connection.info.pop(_KEY, None) is not None
