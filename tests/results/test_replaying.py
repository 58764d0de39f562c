"""A replay of a recording and its report, on markets that are made up here."""

import json
from textwrap import dedent

import msgspec
import polars as pl
import pytest
from rich.console import Console

from foresight.baselines import FAVOURITE
from foresight.contract import CONTRACT
from foresight.results import replay, report_of, show, to_markdown
from foresight.sources.recording import Recording
from tesseract import InProcessHost, ReleaseRefused, take_release
from tests.results.controls import SETTINGS, STRATEGY, replayed
from tests.results.paper_markets import TABLES, coin_flip, write_recording

SOURCES = ("paper",)
PROMISED = {
    "markets",
    "evaluations",
    "trades",
    "wins",
    "win_rate",
    "win_rate_interval",
    "break_even",
    "edge_cents",
    "edge_interval",
    "pnl",
    "fees",
    "by_outcome_source",
    "by_source",
    "by_asset",
    "by_timeframe",
    "by_gate",
    "baseline",
    "brier",
    "events",
    "seconds",
    "events_per_second",
    "source",
    "origin",
    "digest",
    "skipped",
    "unsettled",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recording(tmp_path_factory.mktemp("recording") / "paper", windows=24)


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    done = replayed(folder, SOURCES, STRATEGY, store)
    return report_of(done, replay(Recording(folder), FAVOURITE, SETTINGS, store=store, params=done.params))


def defaults(tree, store):
    host = InProcessHost(take_release(tree, store, number=1, origin="test", now_ns=0), CONTRACT)
    host.close()
    return host.loaded.params


def test_the_report_has_the_fields_that_are_promised(report):
    plain = json.loads(json.dumps(report.to_json()))
    assert set(plain) >= PROMISED
    assert plain["origin"] == "recorded"
    assert plain["source"] == ["paper"]
    assert plain["markets"] == 24
    assert plain["by_outcome_source"]["paper"]["trades"] == plain["trades"] > 0
    assert plain["by_source"]["paper"]["baseline"]["trades"] == plain["baseline"]["trades"]


def test_the_baseline_asks_less_and_trades_at_least_as_much(report):
    assert report.headline.baseline is not None
    assert report.headline.baseline.trades >= report.headline.score.trades


def test_the_baselines_band_and_times_are_those_of_the_strategy(tmp_path):
    baseline, strategy = defaults(FAVOURITE, tmp_path), defaults(STRATEGY, tmp_path)
    assert baseline == {name: strategy[name] for name in baseline}


def test_every_table_says_where_its_numbers_come_from(report):
    console = Console(record=True, width=200)
    show(report, console)
    text = console.export_text()
    assert text.startswith("recorded: paper")
    assert "break-even" in text
    assert "| headline |" in to_markdown(report)


def test_each_evaluation_is_kept_and_progress_is_told(folder, tmp_path):
    told = []
    done = replay(Recording(folder), STRATEGY, SETTINGS, store=tmp_path, on_progress=told.append)
    assert len(done.looks) == done.evaluations
    assert sum(look.is_on_event for look in done.looks) == done.presence.on_event
    assert told == sorted(told)
    assert len(told) == done.evaluations // 500


def test_a_parameter_that_is_given_takes_the_place_of_the_default(folder, tmp_path):
    done = replay(Recording(folder), STRATEGY, SETTINGS, store=tmp_path, params={"aggression": 0.0, "unknown": 1})
    assert done.trades == ()
    assert done.params["aggression"] == 0.0


def test_a_strategy_that_raises_is_counted_and_the_replay_goes_on(folder, tmp_path):
    tree = tmp_path / "broken"
    tree.mkdir()
    (tree / "__init__.py").write_text(
        dedent("""
        import msgspec

        class Params(msgspec.Struct, frozen=True):
            pass

        class State(msgspec.Struct, frozen=True):
            pass

        def evaluate(view, state, params):
            raise ValueError("no idea")
        """)
    )
    done = replayed(folder, SOURCES, tree, tmp_path / "store")
    assert done.failures == done.evaluations > 0


def test_a_strategy_without_an_entry_is_refused(folder, tmp_path):
    tree = tmp_path / "empty"
    tree.mkdir()
    (tree / "__init__.py").write_text("")
    with pytest.raises(ReleaseRefused):
        replayed(folder, SOURCES, tree, tmp_path / "store")


def test_positions_that_nobody_settles_fill_no_limit(folder, tmp_path):
    untold = tmp_path / "untold"
    untold.mkdir()
    for name in TABLES:
        table = pl.read_parquet(folder / f"{name}.parquet")
        nobody = [pl.lit(None, dtype=pl.String()).alias(column) for column in ("outcome", "outcome_source")]
        (table.with_columns(nobody) if name == "markets" else table).write_parquet(untold / f"{name}.parquet")
    told = replayed(folder, SOURCES, coin_flip(tmp_path), tmp_path / "store")
    done = replayed(untold, SOURCES, tmp_path / "coin0", tmp_path / "store")
    found = report_of(done)
    assert found.unsettled >= len(told.trades) > 10
    assert (found.headline.score.trades, found.risk_alone) == (0, {})


def test_two_sources_of_the_same_windows_are_both_replayed(folder, tmp_path):
    double = tmp_path / "double"
    double.mkdir()
    for name in TABLES:
        table = pl.read_parquet(folder / f"{name}.parquet")
        other = table.with_columns(pl.lit("second").alias("source"))
        pl.concat([table, other]).write_parquet(double / f"{name}.parquet")
    one = report_of(replayed(folder, SOURCES, STRATEGY, tmp_path / "store"))
    both = report_of(replayed(double, (), STRATEGY, tmp_path / "store"))
    assert both.markets == 2 * one.markets
    assert both.by_source["paper"].score == both.by_source["second"].score == one.headline.score
    assert both.headline.score.clusters == one.headline.score.clusters


def test_windows_that_risk_alone_kept_out_are_told_by_rule(folder, tmp_path):
    strict = msgspec.structs.replace(SETTINGS, risk=msgspec.structs.replace(SETTINGS.risk, stake_max_micros=1_000_000))
    done = replay(Recording(folder), coin_flip(tmp_path), strict, store=tmp_path / "store")
    assert done.trades == ()
    assert set(done.risk_alone) == {"stake"}
    assert 20 <= done.risk_alone["stake"] <= 24
