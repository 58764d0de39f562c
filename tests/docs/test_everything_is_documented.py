"""Everything that a user or a newcomer can meet by name stands in the documentation, and its links lead somewhere."""

import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer
from pages import DOCS, ROOT, foresight, names_in_tables, page, section

from foresight import effects, events
from foresight.cli.app import app_for
from foresight.cli.explaining import Explained
from foresight.cli.reading import TradeDocument
from foresight.config import UNKNOWN_PASSES, Config
from foresight.engine import PositionReport
from foresight.engine.report import Money
from foresight.engine.risk import RULES
from foresight.ledger.projection import TradeRow
from foresight.results import Brier, GateLine, Report, Score
from foresight.runtime.desired import Desired
from foresight.runtime.documents import (
    PositionsDocument,
    PresenceCounts,
    PresenceDocument,
    SlotDocument,
    SlotPresence,
    StatusDocument,
)
from tesseract import Lateness

ARCHITECTURE = page("ARCHITECTURE.md")
JOURNAL = page("docs/journal.md")
CONFIGURATION = page("docs/configuration.md")
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md"))
    if path.exists()
]
PROJECT = tomllib.loads(page("pyproject.toml"))
SOURCES = ROOT / "src"
FOLDERS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in SOURCES.rglob("*")
    if path.is_dir() and any(path.glob("*.py")) and path.name not in ("__pycache__", "signals", "favourite")
)

COMMAND_GROUP = typing.cast("typing.Any", typer.main.get_command(app_for()))
COMMANDS = sorted(COMMAND_GROUP.commands)
OPTIONS = sorted(
    (name, option)
    for name, command in COMMAND_GROUP.commands.items()
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--") and option != "--help"
)
JOURNAL_KINDS = typing.get_args(effects.JournalEntry)
DOCUMENTS = [
    (StatusDocument, "status.json"),
    (SlotDocument, "status.json"),
    (Money, "status.json"),
    (PresenceCounts, "status.json"),
    (PresenceDocument, "presence.json"),
    (SlotPresence, "presence.json"),
    (Lateness, "presence.json"),
    (PositionsDocument, "positions.json"),
    (PositionReport, "positions.json"),
    (Desired, "desired.json"),
    (TradeRow, "The ledger"),
    (TradeDocument, "foresight trades"),
    (Explained, "foresight explain"),
    (Score, "foresight replay"),
    (Brier, "foresight replay"),
    (GateLine, "foresight replay"),
]


def missing_in(text: str, names: typing.Iterable[str]) -> list[str]:
    """The names that a text does not hold in backticks, alone or as the first word."""
    told = set(re.findall(r"`([^`\s]+)[^`]*`", text))
    return [name for name in names if name not in told]


# Commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_its_arguments_and_exit_codes(name: str) -> None:
    assert section(JOURNAL, f"foresight {name}").strip().startswith(f"`foresight {name}")


def test_no_command_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^### foresight (\S+)$", JOURNAL, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_stands_in_its_commands_section(name: str, option: str) -> None:
    assert option in section(JOURNAL, f"foresight {name}")


@pytest.mark.process
def test_the_exit_codes_are_those_of_the_table(tmp_path: Path) -> None:
    told = names_in_tables(section(JOURNAL, "Commands")) | set(
        re.findall(r"^\| (\d) \|", section(JOURNAL, "Commands"), re.MULTILINE)
    )
    assert told == {"0", "1", "2"}
    assert foresight("init", str(tmp_path / "bot")).returncode == 0
    assert foresight("init", str(tmp_path / "bot")).returncode == 1
    assert foresight("init").returncode == 2


# bot.toml, the journal, the state files


@pytest.mark.parametrize("table", Config.model_fields)
def test_every_key_of_bot_toml_stands_in_its_table(table: str) -> None:
    keys = set(type(Config.model_fields[table].default).model_fields)
    assert names_in_tables(section(CONFIGURATION, f"[{table}]")) == keys


def test_the_template_names_every_key_of_bot_toml() -> None:
    template = tomllib.loads(page("src/foresight/template/bot.toml"))
    assert {table: set(keys) for table, keys in template.items()} == {
        table: set(type(field.default).model_fields) for table, field in Config.model_fields.items()
    }


@pytest.mark.parametrize("kind", JOURNAL_KINDS, ids=lambda kind: kind.__name__)
def test_every_journal_entry_and_each_of_its_fields_is_documented(kind: type[msgspec.Struct]) -> None:
    assert names_in_tables(section(JOURNAL, kind.__name__)) == set(kind.__struct_fields__)


@pytest.mark.parametrize(("kind", "title"), DOCUMENTS, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_of_a_document_is_documented(kind: type[msgspec.Struct], title: str) -> None:
    assert missing_in(section(JOURNAL, title), kind.__struct_fields__) == []


def test_every_number_of_a_replay_is_documented() -> None:
    fields = {*Report.__struct_fields__, "baseline", "brier", "events_per_second"} - {"headline"}
    assert missing_in(section(JOURNAL, "foresight replay"), sorted(fields)) == []


def test_every_risk_rule_is_documented_in_the_order_of_its_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section(JOURNAL, "Risk rules"), re.MULTILINE)
    assert rows == list(RULES)


def test_every_risk_limit_stands_beside_a_rule() -> None:
    told = set(re.findall(r"`\[risk\] (\w+)`", section(JOURNAL, "Risk rules")))
    assert told == set(type(Config.model_fields["risk"].default).model_fields)


def test_every_shipped_gate_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", section(JOURNAL, "Gates"), re.MULTILINE)
    asked = re.findall(r'gate\(\s*"(\w+)"', page("src/foresight/template/strategy/gates.py"))
    assert dict(rows) == {name: "yes" if passes else "no" for name, passes in UNKNOWN_PASSES.items()}
    assert [name for name, _ in rows] == asked
    assert names_in_tables(section(CONFIGURATION, "[gates.unknown_passes]")) == set(asked)


# The architecture


def test_every_event_and_effect_is_named() -> None:
    kinds = (*typing.get_args(events.Event), *typing.get_args(effects.Effect))
    told = names_in_tables(section(ARCHITECTURE, "Events and effects"))
    assert told == {kind.__name__ for kind in kinds}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_map_names_every_folder_of_the_source_and_every_file_in_it(folder: str) -> None:
    text = section(ARCHITECTURE, f"{folder}/")
    modules = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
    packages = {
        f"{path.parent.name}/"
        for path in (ROOT / folder).glob("*/__init__.py")
        if f"{folder}/{path.parent.name}" not in FOLDERS
    }
    assert names_in_tables(text) == modules | packages


def test_the_map_names_every_signal() -> None:
    signals = {path.name for path in (SOURCES / "foresight/template/strategy/signals").glob("*.py")} - {"__init__.py"}
    assert missing_in(section(ARCHITECTURE, "src/foresight/template/strategy/"), signals) == []


def test_every_import_contract_is_explained() -> None:
    contracts = [contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]]
    assert [name for name in contracts if f"| {name} |" not in ARCHITECTURE] == []


def test_the_twelve_invariants_stand_in_order_and_name_tests_that_exist() -> None:
    rows = _invariants()
    assert list(rows) == list(range(1, 13))
    for guards in rows.values():
        assert "`tests/" in guards or "with the journal and handover" in guards
        for file, names in re.findall(r"`(tests/[\w/]+\.py)`(?: \(([^)]*)\))?", guards):
            code = page(file)
            assert [name for name in re.findall(r"`(\w+)`", names) if f"def {name}(" not in code] == []


def test_a_test_file_that_names_an_invariant_stands_in_its_row() -> None:
    rows = _invariants()
    for path in (ROOT / "tests").rglob("test_*.py"):
        name = path.relative_to(ROOT).as_posix()
        numbers = {
            int(number)
            for number in re.findall(r'(?:"""Invariant|: invariant) (\d+)', path.read_text(encoding="utf-8"))
        }
        assert [number for number in sorted(numbers) if f"`{name}`" not in rows[number]] == [], name


def _invariants() -> dict[int, str]:
    table = section(ARCHITECTURE, "The invariants and what guards them")
    return {int(number): guards for number, guards in re.findall(r"^\| (\d+) \|[^|]*\|(.*)\|$", table, re.MULTILINE)}


# Decisions, links, words


def test_every_dependency_has_a_decision_page_that_names_it() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in DECISIONS)
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=~!\[; ]", wish)[0] for wish in wanted]
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", pages, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_that_says_what_why_cost_and_way_out(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {path.name[:4]}. ")
    assert [line for line in lines if line.startswith("## ")] == [
        "## What", "## Why", "## What it costs", "## How we would leave it",
    ]  # fmt: skip
    assert len(lines) <= 45
    assert f"(docs/decisions/{path.name})" in ARCHITECTURE


def _links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:", "#", "mailto:")):
                yield path, target


def test_links_between_pages_resolve() -> None:
    assert [
        f"{path.name}: {target}" for path, target in _links() if not (path.parent / target.split("#")[0]).exists()
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_paths_of_the_source_that_a_page_names_are_there(path: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|tools|bench)/[\w/.-]*)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_page_names_a_place_on_somebodys_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:work|home|tmp|root|Users)\b", path.read_text(encoding="utf-8"))
