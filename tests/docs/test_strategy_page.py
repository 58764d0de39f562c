"""docs/strategy.md: its code runs as it stands, and its tables leave nothing out."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pages import COMMAND_S_MAX, file_blocks, foresight, names_in_tables, page, section

from foresight import strategy
from foresight.strategy import Board, Book, Enter, Evaluation, Exit, Holding, Prices, Verdict, View, Watched
from foresight.topics import ADAPTERS, TOPICS_MAX, problems_of

PAGE = page("docs/strategy.md")
SECTIONS = {
    View: "View",
    Book: "Book",
    Prices: "Prices",
    Watched: "Watched",
    Holding: "Holding",
    Board: "Board",
    Evaluation: "Evaluation",
    Enter: "Enter",
    Exit: "Exit",
    Verdict: "Gates and verdicts",
}
LINES_PROMISED_MAX = 25
"""The page says `about twenty lines`: statements and their continuations, without blank lines and the docstring."""


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bot folder as the page tells a reader to make it."""
    folder = tmp_path_factory.mktemp("page") / "mybot"
    made = foresight("init", str(folder))
    assert made.returncode == 0, made.stderr
    shutil.rmtree(folder / "strategy")
    for name, code in file_blocks(PAGE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def status(bot: Path) -> dict[str, Any]:
    ran = foresight("run", "--bot", str(bot), "--fast", "--for", "5m", "--json")
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


@pytest.mark.process
def test_the_pages_strategy_evaluates_every_slot_without_a_failure(status: dict[str, Any]) -> None:
    presence = status["presence"]
    assert presence["due"] == presence["done"] == 16 * (5 * 12 + 1)
    assert all(slot["state"] == "open" for slot in status["slots"])
    assert all("favourite_ask" in slot["signals"] for slot in status["slots"])


@pytest.mark.process
def test_the_pages_strategy_trades_and_its_gate_answers(bot: Path, status: dict[str, Any]) -> None:
    trades = json.loads(foresight("trades", "--bot", str(bot), "--json").stdout)["trades"]
    assert len(trades) >= 3
    assert any(trade["state"] == "closed" for trade in trades)
    assert status["gates"]["late"]["pass"] == status["orders"]
    assert status["refusals"]["gate:late"] > 0


@pytest.mark.process
def test_the_pages_first_trade_can_be_explained(bot: Path, status: dict[str, Any]) -> None:
    del status
    explained = json.loads(foresight("explain", "--bot", str(bot), "t000001", "--json").stdout)
    assert explained["decision"]["proposal"]["why"].startswith("favourite at ")
    assert explained["code"].rpartition(":")[0].endswith("strategy/__init__.py")


@pytest.mark.process
def test_the_pages_own_tests_pass(bot: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(bot), str(bot)],
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
        cwd=bot.parent,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


@pytest.mark.process
def test_a_page_reader_sees_what_an_exception_does(bot: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bot, broken, ignore=shutil.ignore_patterns("data", "state"))
    code = (broken / "strategy" / "__init__.py").read_text(encoding="utf-8")
    (broken / "strategy" / "__init__.py").write_text(
        code.replace("    ask = view.book", '    raise ValueError("tried out")\n    ask = view.book'), encoding="utf-8"
    )
    ran = foresight("run", "--bot", str(broken), "--fast", "--for", "10s", "--json")
    assert ran.returncode == 1
    assert re.search(r"refused at rehearsal: .*strategy/__init__\.py:\d+ ValueError: tried out", ran.stderr)
    assert "nothing is running" in ran.stderr


def test_the_pages_strategy_is_as_short_as_it_says() -> None:
    code = file_blocks(PAGE)["strategy/__init__.py"]
    docstring = ast.get_docstring(ast.parse(code)) or ""
    lines = [line for line in code.splitlines() if line.strip() and docstring not in line]
    assert len(lines) <= LINES_PROMISED_MAX


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_field_of_the_strategys_world_stands_in_its_table_and_nothing_else(kind: type[msgspec.Struct]) -> None:
    told = names_in_tables(section(PAGE, SECTIONS[kind]))
    told -= {kind.__name__}
    assert told == set(kind.__struct_fields__)


def test_every_public_name_of_the_strategy_module_is_told_or_is_a_plain_alias() -> None:
    aliases = {"Level", "Outcome", "SlotId"}
    assert {name for name in strategy.__all__ if name not in PAGE} <= aliases


def test_the_pages_further_topics_are_known_and_every_adapter_is_told() -> None:
    text = section(PAGE, "Further topics")
    found = re.search(r"^NEEDS = (.*)$", text, re.MULTILINE)
    assert found is not None
    assert problems_of(ast.literal_eval(found[1])) == []
    assert set(re.findall(r"^\| `([a-z-]+):SYMBOL` \|", text, re.MULTILINE)) == set(ADAPTERS)
    assert f"at most {TOPICS_MAX} topics" in text
