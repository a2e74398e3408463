"""What the pages in docs/ say is what is there."""

import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from prometheus_client import REGISTRY, CollectorRegistry

import agents.dispatch.lane
import muster.wiring
import streams.kafka.transport
from console.opt_out import OptOutPages
from muster.cli import COMMANDS, LazyGroup, app
from notifiers.email.metrics import EmailMetrics
from notifiers.smpp.metrics import SMSMetrics
from registry.importing.fields import FIELDS
from rehearsal.smsc.metrics import METRICS as SIMULATED
from schemas.spec import AppealSpec, WaveSpec
from tests.ground.compose import ROOT
from tests.ground.settings_table import PAGE, settings, table

DOCS = ROOT / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
# Whatever makes a metric when it is imported is a part of these.
assert agents.dispatch.lane
assert muster.wiring
assert streams.kafka.transport


# --- metrics --------------------------------------------------------------------------------------------------------


def metrics() -> dict[str, tuple[str, str, str]]:
    """Every metric of ours: its text, its type and its labels."""
    own = CollectorRegistry()
    SMSMetrics(own)
    EmailMetrics(own)
    OptOutPages(typing.cast("typing.Any", None), typing.cast("typing.Any", None), own)
    found = {name: (text, kind, label or "none") for name, (text, kind, label) in SIMULATED.items()}
    for collector in {*REGISTRY._collector_to_names, *own._collector_to_names}:
        name = getattr(collector, "_name", "")
        if name.startswith("muster_"):
            kind, labels = collector._type, ", ".join(collector._labelnames) or "none"
            full = f"{name}_total" if kind == "counter" else name
            found[full] = (collector._documentation, kind, labels)
    return found


def documented_metrics() -> dict[str, tuple[str, str, str]]:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## (\S+)\n(.+?)\. A (\w+); labels: (.+)\.$", page, re.MULTILINE)
    assert len(entries) == page.count("\n## "), "an entry of docs/metrics.md reads: text. A type; labels: a, b."
    return {name: tuple(rest) for name, *rest in entries}


def test_every_metric_is_explained_with_its_labels_and_no_other_is():
    assert documented_metrics() == metrics()


def test_no_label_could_name_a_person():
    words = {label for _, _, labels in metrics().values() for label in labels.split(", ")} - {"none"}
    assert words <= {
        *(
            "channel",
            "fate",
            "intent",
            "lane",
            "outcome",
            "reaction",
            "reason",
            "topic",
            "verdict",
            "what",
            "kind",
            "status",
        ),
    }


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_page_of_settings_is_made_from_the_settings():
    assert PAGE.read_text(encoding="utf-8") == table(), "remedy: python -m tests.ground.settings_table"


@pytest.mark.parametrize("name", [name for name, _ in settings()])
def test_every_setting_says_what_it_means(name: str):
    assert dict(settings())[name].description


def test_no_page_names_a_setting_that_there_is_none_of():
    known = {name for name, _ in settings()}
    # These are read by docker-compose.yml and given to processes under other names.
    known |= set(re.findall(r"\$\{(MUSTER_\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    for page in (*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            named = re.findall(r"MUSTER_[A-Z_]+[A-Z]", line)
            part = next((name.rpartition("__")[0] for name in named if "__" in name), "")
            named += [f"{part}__{rest}" for rest in re.findall(r"`__([A-Z_]+)`", line)]
            assert set(named) <= known | {"MUSTER_EMAIL"}, page.name


# --- the import, the commands ---------------------------------------------------------------------------------------


def section(title: str) -> str:
    """What docs/cli.md has below this heading."""
    return CLI.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_field_of_a_spec_is_in_the_tables():
    asked, _, waves = section("The appeal spec").partition("| of a wave |")
    for listed, spec in ((asked, AppealSpec), (waves, WaveSpec)):
        rows = re.findall(r"^\| `(\w+)`( \(needed\))?", listed, re.MULTILINE)
        assert {name for name, _ in rows} == spec.model_fields.keys()
        assert {name for name, needed in rows if needed} == {
            name for name, field in spec.model_fields.items() if field.is_required()
        }


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_column_of_an_import_is_in_the_table(field):
    columns = section("`muster members import FILE`")
    rows = [line for line in columns.splitlines() if line.startswith(f"| `{field.name}`")]
    assert len(rows) == 1, (
        f"write it in docs/cli.md: | `{field.name}` | headers | clears or keeps what is known | remedy |"
    )
    (row,) = rows
    name, others, blank, good = [cell.strip() for cell in row.strip("|").split("|")]
    assert name == f"`{field.name}`" + (" (needed)" if field.required else "")
    assert others == "、".join(field.headers)
    assert blank == f"{field.blank} what is known"
    assert good == field.remedy


def commands() -> Iterator[tuple[str, str]]:
    """Every command as it is typed, with the first sentence of its help."""
    root = LazyGroup(name="muster")
    context = typer.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        inner = getattr(command, "commands", {})
        if not inner:
            yield name, COMMANDS[name][2]
        for sub, found in inner.items():
            yield f"{name} {sub}", (found.help or "").splitlines()[0]


@pytest.mark.parametrize(("command", "help_line"), list(commands()))
def test_every_command_is_listed_and_explains_itself(command: str, help_line: str):
    assert f"| `muster {command}" in CLI
    assert help_line.endswith(".")


def test_no_command_is_listed_that_there_is_none_of():
    known = {command for command, _ in commands()}
    listed = re.findall(r"^\| `muster ([a-z-]+(?: [a-z-]+)?)", CLI, re.MULTILINE)
    assert set(listed) == known
    assert app.info.help is not None


# --- words, recipes, changes ----------------------------------------------------------------------------------------


def test_the_glossary_is_sorted_and_says_each_word_once():
    page = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", page, re.MULTILINE)
    assert len(words) == page.count("\n|") - 2
    names = [word for word, _ in words]
    assert names == sorted(set(names), key=str.casefold)
    assert all(meaning.endswith(".") for _, meaning in words)


def recipes() -> dict[str, list[str]]:
    """What to touch for each kind of thing to add."""
    page = (DOCS / "how-to-add.md").read_text(encoding="utf-8")
    sections = re.split(r"^## … ", page, flags=re.MULTILINE)[1:]
    return {
        section.splitlines()[0]: [found[1] for found in re.finditer(r"^\d\. `([^`]+)`:", section, re.MULTILINE)]
        for section in sections
    }


def test_the_recipes_name_at_most_four_files_each():
    assert recipes().keys() >= {"a channel", "a member attribute", "a programme", "an event"}
    assert all(1 <= len(files) <= 4 for files in recipes().values())


@pytest.mark.parametrize("path", sorted({path for files in recipes().values() for path in files}))
def test_a_recipe_names_what_is_there(path: str):
    assert list(ROOT.glob(re.sub(r"<[^>]+>", "*", path.rstrip("/"))))


def test_links_between_pages_lead_somewhere():
    for page in (*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_changelog_is_kept_as_it_says():
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert page.startswith("# Changelog\n")
    versions = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", page, re.MULTILINE)) <= kinds
    body = page.partition("## ")[2]
    entries = re.split(r"^- ", body, flags=re.MULTILINE)[1:]
    assert all(entry.partition("\n#")[0].strip().endswith(".") for entry in entries)


# --- layers, locks --------------------------------------------------------------------------------------------------


def test_imports_point_downwards():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(program), "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
