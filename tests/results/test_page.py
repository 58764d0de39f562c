"""docs/results.md shows what the code in the tree does on the real recordings, and nothing else.

With FORESIGHT_WRITE_RESULTS=1 the tables of the page are written anew; then read what changed, and the words around it.
"""

import os
import re
from pathlib import Path

import pytest

from foresight.baselines import FAVOURITE
from foresight.results import replay, report_of, to_markdown
from foresight.sources.recording import Recording
from tests.results.controls import SETTINGS, STRATEGY

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results.md"
DATA = Path(os.environ.get("FORESIGHT_RECORDINGS", str(ROOT.parent / "shared" / "data")))


@pytest.mark.recordings
@pytest.mark.parametrize("venue", ["polymarket", "kalshi"])
def test_the_page_shows_the_numbers_of_the_code(venue, tmp_path):
    if not (DATA / venue / "quotes.parquet").exists():
        pytest.skip(f"{DATA / venue} is not there: the numbers of docs/results.md were not checked")
    recording = Recording(DATA / venue)
    done = replay(recording, STRATEGY, SETTINGS, store=tmp_path)
    baseline = replay(recording, FAVOURITE, SETTINGS, store=tmp_path, params=done.params)
    tables = to_markdown(report_of(done, baseline))
    block = re.compile(f"(<!-- {venue}: written by tests/results/test_page.py -->\n).*?(\n<!-- end -->)", re.DOTALL)
    found = block.search(PAGE.read_text())
    assert found is not None
    if os.environ.get("FORESIGHT_WRITE_RESULTS"):
        PAGE.write_text(block.sub(lambda match: f"{match[1]}{tables}{match[2]}", PAGE.read_text()))
    assert tables in PAGE.read_text(), "the results have changed: FORESIGHT_WRITE_RESULTS=1 writes the tables anew"
