"""`MUSTER_LOG` names a log, or is refused with a remedy."""

from pathlib import Path

import pytest

from streams.errors import BadLogURL
from streams.url import EmbeddedLog, KafkaLog, parse


@pytest.mark.parametrize(
    ("url", "log"),
    [
        ("sqlite:////var/lib/muster/log.db", EmbeddedLog(Path("/var/lib/muster/log.db"))),
        ("sqlite:////with a space/日志.db", EmbeddedLog(Path("/with a space/日志.db"))),
        ("kafka://broker:9092", KafkaLog(("broker:9092",))),
        ("kafka://broker:9092/", KafkaLog(("broker:9092",))),
        ("kafka://one:9092, two:9093", KafkaLog(("one:9092", "two:9093"))),
        ("kafka://[::1]:9092", KafkaLog(("[::1]:9092",))),
    ],
)
def test_a_url_names_a_log(url: str, log: EmbeddedLog | KafkaLog):
    assert parse(url) == log


def test_three_slashes_name_a_file_in_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert parse("sqlite:///log.db") == EmbeddedLog(tmp_path / "log.db")


@pytest.mark.parametrize(
    "url",
    [
        *("", "log.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://log.db", "SQLITE:////log.db"),
        *(
            "kafka://",
            "kafka://broker",
            "kafka://broker:",
            "kafka://:9092",
            "kafka://one:9092,",
            "kafka://one:9092,two",
        ),
        *("postgresql://db/muster", "http://broker:9092"),
    ],
)
def test_anything_else_is_refused_with_the_remedy(url: str):
    with pytest.raises(BadLogURL, match="MUSTER_LOG: write sqlite:////"):
        parse(url)
