"""docs/record.md: its columns are those of the record, and its example runs."""

import contextlib
import re
from pathlib import Path

import polars as pl
from pages import names_in_tables, page, section

from foresight.notebook import EVALUATIONS
from foresight.record.kinds import KINDS
from foresight.record.rows import SCHEMA
from recorded import run_everything

PAGE = page("docs/record.md")


def test_every_column_of_the_record_and_every_kind_is_on_the_page() -> None:
    columns = section(PAGE, "The columns of the record")
    assert names_in_tables(columns) == set(SCHEMA)
    assert [kind for kind in KINDS if f"`{kind}`" not in columns] == []


def test_every_column_of_the_evaluations_is_on_the_page() -> None:
    assert names_in_tables(section(PAGE, "The columns of the evaluations")) == {*EVALUATIONS, "signal_…"}


def test_the_example_runs(tmp_path: Path) -> None:
    run_everything(tmp_path)
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    found: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        exec(compile(code[1], "docs/record.md", "exec"), found)
    spreads, answers, won = found["spreads"], found["answers"], found["won"]
    assert isinstance(spreads, pl.DataFrame)
    assert spreads.height > 10
    assert spreads["spread_cents"].min() > 0
    assert isinstance(answers, pl.DataFrame)
    assert answers.height >= 2
    assert isinstance(won, int)
