"""A backup becomes the embedded state again: unpacked beside its place, told what may have happened since, then put there."""

import shutil
import sqlite3
import tarfile
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from pydantic import ValidationError

from agents.restoring import BroughtBack, Restored, Restoring, take_stock
from muster.backup import DATABASE, FORMAT, LOG, MANIFEST, Manifest, Places, digest, places, sync
from muster.doorstep import local
from muster.settings import Settings
from registry.database import Database
from registry.errors import DatabaseUnreachable, Refused, WrongVersion
from registry.ledger_copy import remembered
from registry.migrate import create_or_check, versions
from schemas.outgoing import Outgoing
from streams.embedded import store
from streams.embedded.transport import ensure_no_worker
from streams.publisher import open_publisher
from streams.setup import create_topics
from streams.topics import topics

_MANIFEST_SIZE = 1 << 16
_BESIDE = ("", "-wal", "-shm", "-journal")  # what SQLite leaves beside a file would be read into the new one


class BadBackup(ValueError):
    """The file is no backup, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there again, and what nobody can know."""

    manifest: Manifest
    restored: Restored
    with_copy: bool

    def as_json(self) -> dict[str, object]:
        return {
            "made_at": self.manifest.made_at,
            "muster": self.manifest.muster,
            "database_version": self.manifest.database_version,
            "with_copy": self.with_copy,
            "appeals": [asdict(item) for item in self.restored.appeals],
            "answers_uncertain": self.restored.answers,
            "forgotten": [
                {"appeal_id": appeal_id, "invited": invited} for appeal_id, invited in self.restored.forgotten.items()
            ],
        }

    def as_words(self) -> str:
        since = local(self.manifest.made_at)
        lines = [f"The state of {since} is back.  What was written, answered or opted out since then is not in it."]
        for item in self.restored.appeals:
            lines += _told(item)
        for appeal_id, invited in self.restored.forgotten.items():
            lines.append(
                f"Appeal {appeal_id} was launched after the backup and invited {invited:,} members: it is not known here."
            )
        if not self.with_copy:
            lines.append("There was no ledger copy: see MUSTER_LEDGER_COPY in docs/cli.md, it makes fewer uncertain.")
        return "\n".join(lines)


def _told(item: BroughtBack) -> list[str]:
    name = item.appeal_id
    lines = [f"Appeal {name} is paused: {item.invited:,} members invited."]
    if item.uncertain:
        lines.append(
            f"  {item.uncertain:,} may have been asked since and are named uncertain: muster appeal status {name} --uncertain"
        )
    lines.append(f"  {item.to_ask:,} are still to be asked.")
    if item.given_up:
        waves = ", ".join(map(str, item.given_up))
        lines.append(f"  Wave {waves} may have opened since: nobody knows whom it asked, so it asks nobody now.")
    lines.append(f"  Go on:  muster appeal resume {name}   ·   or end it:  muster appeal stop {name} --reason WHY")
    return lines


def restore(settings: Settings, file: Path, now: datetime, *, with_copy: bool, migrate: bool) -> Outcome:
    """Make the state of this backup the embedded state of these settings.

    Raises `Refused`, `WrongVersion`, `WorkerRunning`, `BadBackup` or `DatabaseUnreachable`; then nothing is there.
    """
    where = places(settings)
    for path in (where.log, where.database):
        path.parent.mkdir(parents=True, exist_ok=True)
    ensure_no_worker(where.log, "muster")
    _ensure_free(where)
    copy = remembered(settings.ledger_copy) if with_copy and settings.ledger_copy else None
    try:
        with (
            TemporaryDirectory(prefix=".restore-", dir=where.log.parent) as log_folder,
            TemporaryDirectory(prefix=".restore-", dir=where.database.parent) as database_folder,
        ):
            fresh = Places(Path(log_folder) / LOG, Path(database_folder) / DATABASE)
            manifest = _unpack(file, fresh)
            _ensure_known(manifest, migrate=migrate)
            url = f"sqlite:///{fresh.database}"
            create_or_check(url, migrate=migrate)
            how = Restoring(
                settings.staff, now, manifest.shards, settings.dispatch.batch_size, lambda: uuid.uuid4().hex
            )
            with Database(url) as database, database.transaction() as connection:
                restored = take_stock(connection, copy, how)
            _hold_back(fresh.log, manifest.shards, restored.pauses)
            _put_in_place(fresh, where)
    except (OSError, sqlite3.Error) as exc:
        raise DatabaseUnreachable(f"{where.database.parent}: {exc}") from exc
    return Outcome(manifest, restored, copy is not None)


def _ensure_free(where: Places) -> None:
    for path in (where.log, where.database):
        for ending in _BESIDE:
            if (there := Path(f"{path}{ending}")).exists():
                raise Refused(
                    f"{there} is there: a restore never writes over a state; move it away, or set MUSTER_HOME"
                )


def _ensure_known(manifest: Manifest, *, migrate: bool) -> None:
    if manifest.log_version != store.VERSION or manifest.database_version not in versions():
        raise WrongVersion(
            f"the backup has log version {manifest.log_version} and database version {manifest.database_version}, "
            f"which this release ({store.VERSION} and {max(versions())}) does not know: use Muster {manifest.muster}"
        )
    if manifest.database_version != max(versions()) and not migrate:
        raise WrongVersion(
            f"the backup has database version {manifest.database_version}, this release needs {max(versions())}: "
            "restore it with --migrate, which leaves the file as it is"
        )


def _unpack(file: Path, fresh: Places) -> Manifest:
    """Raises `BadBackup`."""
    try:
        with tarfile.open(file, "r:") as tar:
            manifest = _read_manifest(file, tar)
            for name, path in ((LOG, fresh.log), (DATABASE, fresh.database)):
                member = tar.extractfile(name)
                if member is None:
                    _bad(file, f"{name} is no file")
                with path.open("xb") as out:
                    path.chmod(0o600)
                    shutil.copyfileobj(member, out)
                if digest(path) != manifest.sha256.get(name):
                    _bad(file, f"{name} is not what was backed up")
    except (tarfile.TarError, KeyError, EOFError) as exc:
        raise BadBackup(f"{file} is no whole backup of Muster: {exc}") from exc
    except FileNotFoundError as exc:
        raise BadBackup(f"{file} is not there: name the file that `muster backup` wrote") from exc
    return manifest


def _read_manifest(file: Path, tar: tarfile.TarFile) -> Manifest:
    member = tar.extractfile(MANIFEST)
    try:
        manifest = Manifest.model_validate_json(member.read(_MANIFEST_SIZE) if member else b"")
    except ValidationError as exc:
        raise BadBackup(f"{file}: its {MANIFEST} cannot be read") from exc
    if manifest.format != FORMAT:
        raise WrongVersion(
            f"the backup has format {manifest.format}, this release knows {FORMAT}: use Muster {manifest.muster}"
        )
    return manifest


def _bad(file: Path, reason: str) -> NoReturn:
    raise BadBackup(f"{file}: {reason}: take another backup")


def _hold_back(log: Path, shards: int, pauses: Sequence[Outgoing]) -> None:
    """Workers hear of the pauses before they claim anything; the decider's own word comes later."""
    url = f"sqlite:///{log}"
    create_topics(url, topics(shards))
    publisher = open_publisher(url)
    try:
        publisher.publish(pauses)
    finally:
        publisher.close()


def _put_in_place(fresh: Places, where: Places) -> None:
    for path in (fresh.log, fresh.database):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
        sync(path)
    _ensure_free(where)  # nobody may have started something meanwhile
    for source, target in ((fresh.log, where.log), (fresh.database, where.database)):
        source.rename(target)
        sync(target.parent)
