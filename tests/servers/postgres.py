"""PostgreSQL from the distribution's package: one server on 127.0.0.1, its data in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.servers.process import Account, Server, ServerFailed, ServerMissing, ServerProcess

_REMEDY = "run scripts/setup tests (Debian: apt-get install postgresql)"
_DEBIAN = Path("/usr/lib/postgresql")

# Commits stay durable (fsync and synchronous_commit keep their defaults): a test that kills the server must not lie.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "log_min_messages": "warning",
}


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`, the newest version first.  Raises `ServerMissing`."""
    versions = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = versions[0] if versions else shutil.which("postgres")
    if found is None:
        raise ServerMissing(f"there is no PostgreSQL: {_REMEDY}")
    return Path(found).resolve().parent


def _unprivileged() -> Account:
    if os.geteuid() != 0:
        return Account()
    # The package makes `postgres`; a server installed otherwise has to do with `nobody`.
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerMissing("PostgreSQL refuses to run as root, and there is no other user")


class PostgresServer(Server):
    """One server; whoever is connected when it stops or is killed loses the connection."""

    def __init__(self) -> None:
        self._programs = postgres_programs()
        self._account = _unprivileged()
        super().__init__("postgres")
        if self._account.user is not None:
            os.chown(self._home, self._account.user, self._account.group or -1)
        self._initdb()

    @property
    def url(self) -> str:
        """The maintenance database; tests use one of their own from `database`."""
        return self._url("postgres")

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh, empty database, dropped afterwards."""
        name = sql.Identifier(f"muster_{uuid4().hex[:12]}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield self._url(name._obj[0])
        finally:
            self.start()
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def _url(self, name: str) -> str:
        return f"postgresql://muster@127.0.0.1:{self.port}/{name}"

    def _launch(self) -> ServerProcess:
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [
            *(str(self._programs / "postgres"), "-D", str(self._home / "data")),
            *("-p", str(self.port), "-k", str(self._home), *options),
        ]
        # SIGINT ends every session and shuts down cleanly.  SIGQUIT is a crash as far as the data go: no
        # checkpoint, recovery at the next start; but no child is left that holds the shared memory.
        return ServerProcess(
            command,
            log=self._home / "postgres.log",
            account=self._account,
            polite=signal.SIGINT,
            crash=signal.SIGQUIT,
        )

    def _initdb(self) -> None:
        command = [
            *(str(self._programs / "initdb"), "-D", str(self._home / "data"), "-U", "muster", "-A", "trust"),
            *("--no-sync", "-E", "UTF8", "--locale=C.UTF-8"),
        ]
        account = self._account
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self._home,
            user=account.user,
            group=account.group,
            extra_groups=None if account.user is None else [],
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed: {done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
