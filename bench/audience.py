"""Milliseconds to filter and count all members inside an audience worker, beside the same question in SQL.

    python bench/audience.py [--members 300000] [--shards 16] [--rounds 5] [--json FILE]

Made-up members are imported into SQLite, loaded as one worker loads all its shards, and asked for known AB of 18 to 60
years: everybody who fits, and all others under their first reason.  The peer is one SQL statement with the same rules
over the same file, and its counts must be the same.  Then one member, and a thousand, opt out, and the shards catch up.
The best of all rounds counts.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from sqlalchemy import text

from decisions.permissions import blocking, needed
from registry.audience.index import AudienceIndex
from registry.database import Database
from registry.importing.run import import_members
from registry.migrate import create_or_check
from registry.opt_outs import opt_out
from rehearsal.generate import generate_members
from schemas.criteria import Criteria
from schemas.words import ABO, BloodKnown, Channel, Purpose

NOBODY = np.empty(0, np.int64)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WANTED = Criteria(
    programme="platelets",
    purpose=Purpose.BLOOD,
    channel=Channel.SMS,
    on=NOW.date(),
    abo=(ABO.AB,),
    blood_known=BloodKnown.KNOWN,
    ages=(18, 60),
)
FITS = "fits"
IN_SQL = text(f"""
    SELECT CASE
        WHEN (opt_outs | number_opt_outs) & :blocking THEN 'opted_out'
        WHEN consents & :needed <> :needed THEN 'no_consent'
        WHEN mobile IS NULL OR sms_failed_status IS NOT NULL THEN 'unreachable'
        WHEN deferred_until > :today THEN 'deferred'
        WHEN birth_date IS NULL OR birth_date > :youngest OR birth_date <= :oldest THEN 'age'
        WHEN abo IS NULL AND blood_subtype IS NULL THEN 'blood_type_unknown'
        WHEN abo <> 'AB' OR blood_subtype IS NOT NULL THEN 'blood_type_other'
        ELSE '{FITS}' END AS reason, count(*)
    FROM members WHERE erased_at IS NULL GROUP BY reason
""")


@dataclass(frozen=True, slots=True)
class Result:
    members: int
    shards: int
    rounds: int
    load_seconds: float
    bytes_per_member: float
    filter_and_count_ms: float
    select_ms: float
    sql_ms: float
    ratio: float
    catch_up_one_ms: float
    catch_up_thousand_ms: float


def best(rounds: int, work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of so many runs."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return round(min(seconds) * 1000, 2)


def count(indexes: Sequence[AudienceIndex]) -> Counter[str]:
    """How many fit, and how many are left out for which reason, over all shards."""
    total = Counter[str]()
    for index in indexes:
        scan = index.scan(WANTED, NOBODY)
        total[FITS] += sum(scan.bins)
        total.update({reason.value: count for reason, count in scan.excluded.items()})
    return total


def count_in_sql(database: Database) -> Counter[str]:
    parameters = {
        "blocking": blocking(WANTED.purpose, WANTED.channel),
        "needed": needed(WANTED.purpose, WANTED.channel),
        "today": NOW.date().isoformat(),
        "youngest": date(NOW.year - 18, NOW.month, NOW.day).isoformat(),
        "oldest": date(NOW.year - 61, NOW.month, NOW.day).isoformat(),
    }
    with database.snapshot() as connection:
        return Counter(dict(tuple(row) for row in connection.execute(IN_SQL, parameters)))


def caught_up(database: Database, indexes: Sequence[AudienceIndex], members: range) -> float:
    """Milliseconds until all shards know that these members, just now, want no more."""
    with database.transaction() as connection:
        told = [opt_out(connection, member, at=NOW, source="bench") for member in members]
    began = time.perf_counter()
    with database.snapshot() as connection:
        changed = sum(index.catch_up(connection) for index in indexes)
    milliseconds = (time.perf_counter() - began) * 1000
    assert changed == sum(map(bool, told)), "some had opted out before"
    return round(milliseconds, 2)


def measure(database: Database, members: int, shards: int, rounds: int) -> Result:
    began = time.perf_counter()
    with database.snapshot() as connection:
        indexes = AudienceIndex.load_many(connection, range(shards), shards)
    load_seconds = time.perf_counter() - began
    ours, theirs = +count(indexes), count_in_sql(database)
    assert ours == theirs, (ours, theirs)
    assert ours.total() == members
    filter_ms = best(rounds, lambda: count(indexes))
    select_ms = best(rounds, lambda: [index.select(WANTED, NOBODY, limit=members, salt="bench") for index in indexes])
    sql_ms = best(rounds, lambda: count_in_sql(database))
    return Result(
        members=members,
        shards=shards,
        rounds=rounds,
        load_seconds=round(load_seconds, 2),
        bytes_per_member=round(sum(index.nbytes for index in indexes) / members, 1),
        filter_and_count_ms=filter_ms,
        select_ms=select_ms,
        sql_ms=sql_ms,
        ratio=round(sql_ms / filter_ms, 1),
        catch_up_one_ms=min(caught_up(database, indexes, range(n, n + 1)) for n in range(1, rounds + 1)),
        catch_up_thousand_ms=caught_up(database, indexes, range(1001, 2001)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=300_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="the best one counts")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, url = Path(folder) / "members.csv", f"sqlite:///{folder}/muster.db"
        generate_members(options.members, seed=1, out=file)
        create_or_check(url, migrate=False)
        with Database(url) as database:
            import_members(database, file, now=NOW, shards=options.shards, announce=lambda *_: None)
            result = measure(database, options.members, options.shards, options.rounds)
    for name, value in asdict(result).items():
        print(f"{name.replace('_', ' '):24} {value:>12,}")
    print(f"{'load of the machine':24} {os.getloadavg()[0]:>12.1f}")
    if options.json:
        options.json.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
