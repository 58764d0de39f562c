"""Recordings as a source: order, honesty about the future, and clear refusals. The real ones where they are."""

import math
import os
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from recording_tables import T0_NS, Row, a_market_row, a_quote_row, a_spot_row, a_table, a_trade_row, write

from foresight.errors import SourceRefused
from foresight.events import ABSENT, NOT_TOLD, Listed, MarketEvent, Printed, Quote, Reference, Resolved, Spot
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.sources.recording import (
    LISTED_AHEAD_NS,
    RESOLVED_AFTER_NS,
    STRIKE_AFTER_NS,
    TWAP_SINCE_NS,
    Recording,
    asset_of,
)

NAN, INF = float("nan"), float("inf")


def events_of(folder: Path, *sources: str) -> list[MarketEvent]:
    return list(Recording(folder, sources).events())


def quotes_of(folder: Path) -> list[Quote]:
    return [event for event in events_of(folder) if isinstance(event, Quote)]


def test_a_recording_becomes_events_of_every_kind(tmp_path: Path) -> None:
    kinds = Counter(type(event) for event in events_of(write(tmp_path)))

    assert kinds == {Quote: 60, Spot: 18, Printed: 6, Listed: 1, Reference: 1, Resolved: 1}


def test_events_come_in_the_order_of_time_and_the_same_each_time(tmp_path: Path) -> None:
    rows = [a_quote_row(second) for second in (9, 3, 12, 7, 7)]
    recording = Recording(write(tmp_path, quotes=rows))

    first, second = list(recording.events()), list(recording.events())

    assert all(a.at_ns <= b.at_ns for a, b in pairwise(first))
    assert first == second


def test_of_one_instant_a_listing_goes_first_then_the_underlying_quotes_and_trades(tmp_path: Path) -> None:
    folder = write(tmp_path, quotes=[a_quote_row(0)], underlying=[a_spot_row(0)], trades=[a_trade_row(0)])

    kinds = [type(event) for event in events_of(folder) if event.at_ns == T0_NS]

    assert kinds == [Listed, Spot, Quote, Printed]


def test_a_market_keeps_what_the_recording_tells_and_says_what_it_does_not(tmp_path: Path) -> None:
    full = Recording(write(tmp_path / "full")).markets["alpha/m1"]
    bare_row = {
        name: value for name, value in a_market_row().items()
        if name in ("slug", "asset", "timeframe", "start_ts_ns", "end_ts_ns", "outcome", "outcome_source", "source")
    }  # fmt: skip
    bare = Recording(write(tmp_path / "bare", markets=[bare_row])).markets["alpha/m1"]

    assert (full.up, full.down, full.tick_micros, full.fee_rate_micros) == ("m1-up", "m1-down", 10_000, 70_000)
    assert full.assumed == ()
    assert (full.source, full.fills, full.settles_on) == ("alpha", "next_quote", "twap60")
    assert (bare.up, bare.down, bare.tick_micros, bare.fee_rate_micros) == ("m1:UP", "m1:DOWN", 10_000, 70_000)
    assert bare.assumed == ("fee_rate", "tick")


@pytest.mark.parametrize(
    ("start_ns", "venue", "rule"),
    [
        (TWAP_SINCE_NS, "POLYMARKET", "twap60"),
        (TWAP_SINCE_NS - 5 * MINUTE_NS, "POLYMARKET", "spot"),
        (TWAP_SINCE_NS - 5 * MINUTE_NS, None, "spot"),
        (TWAP_SINCE_NS - 5 * MINUTE_NS, "KALSHI", "twap60"),
    ],
)
def test_the_settlement_rule_is_that_of_the_venue_on_that_day(
    tmp_path: Path, start_ns: int, venue: str | None, rule: str
) -> None:
    folder = write(tmp_path, markets=[a_market_row(start_ns=start_ns, venue=venue)])

    assert Recording(folder).markets["alpha/m1"].settles_on == rule


def test_a_market_is_listed_ahead_of_its_window_but_not_before_the_recording_starts(tmp_path: Path) -> None:
    later = T0_NS + 60 * MINUTE_NS
    folder = write(
        tmp_path,
        markets=[a_market_row(), a_market_row("m2", start_ns=later)],
        quotes=[a_quote_row(7), a_quote_row(3600, market="m2")],
    )

    recording = Recording(folder, ("alpha",))
    listed = [event.at_ns for event in recording.events() if isinstance(event, Listed)]

    assert recording.start_ns == T0_NS + 5 * SECOND_NS
    assert listed == [recording.start_ns, later - LISTED_AHEAD_NS]


def test_an_outcome_is_told_a_minute_after_the_windows_end_and_not_before(tmp_path: Path) -> None:
    recording = Recording(write(tmp_path))
    resolved = [event for event in recording.events() if isinstance(event, Resolved)]

    assert resolved == [Resolved(T0_NS + 5 * MINUTE_NS + RESOLVED_AFTER_NS, "m1", "UP", "official")]  # type: ignore[arg-type]
    assert recording.end_ns == resolved[0].at_ns


def test_nothing_before_the_resolution_depends_on_what_nobody_knew(tmp_path: Path) -> None:
    truth = a_market_row()
    lie = a_market_row(outcome="DOWN", outcome_source="liar", ref_close=1.0, settle=2.0)
    unknown = a_market_row(outcome=None, outcome_source=None, ref_close=None, settle=None)

    streams = [
        events_of(write(tmp_path / str(number), markets=[row])) for number, row in enumerate((truth, lie, unknown))
    ]

    before = [[event for event in stream if not isinstance(event, Resolved)] for stream in streams]
    assert before[0] == before[1] == before[2]
    assert [len(stream) - len(rest) for stream, rest in zip(streams, before, strict=True)] == [1, 1, 0]


@pytest.mark.parametrize("outcome", [None, "VOID", "yes"])
def test_a_market_without_a_clear_winner_is_never_resolved(tmp_path: Path, outcome: str | None) -> None:
    folder = write(tmp_path, markets=[a_market_row(outcome=outcome)])

    assert not [event for event in events_of(folder) if isinstance(event, Resolved)]


def test_who_told_an_outcome_is_kept_for_reports(tmp_path: Path) -> None:
    rows = [a_market_row(), a_market_row("m2", outcome=None, outcome_source=None)]
    quotes = [a_quote_row(0), a_quote_row(1, market="m2")]

    assert Recording(write(tmp_path, markets=rows, quotes=quotes)).outcome_sources() == {
        "m1": "official", "m2": "unresolved",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "price", "source", "delay_ns"),
    [
        ({}, 100_000.5, "venue", STRIKE_AFTER_NS),
        ({"strike": None}, 99_999.0, "binance", SECOND_NS),
        ({"strike": NAN}, 99_999.0, "binance", SECOND_NS),
    ],
)
def test_the_price_to_beat_is_the_official_one_or_else_the_recorded_open(
    tmp_path: Path, changed: Row, price: float, source: str, delay_ns: int
) -> None:
    folder = write(tmp_path, markets=[a_market_row(**changed)])

    (reference,) = [event for event in events_of(folder) if isinstance(event, Reference)]

    assert (reference.price, reference.source, reference.at_ns) == (price, source, T0_NS + delay_ns)
    assert (reference.kind, reference.stamped_ns, reference.timeframe) == ("price_to_beat", T0_NS, "5m")


def test_without_either_price_there_is_no_reference(tmp_path: Path) -> None:
    folder = write(tmp_path, markets=[a_market_row(strike=None, ref_open=None)])

    assert not [event for event in events_of(folder) if isinstance(event, Reference)]


def test_of_a_source_that_tells_both_sides_a_missing_one_is_empty(tmp_path: Path) -> None:
    folder = write(tmp_path, quotes=[a_quote_row(0), a_quote_row(1, bid=None), a_quote_row(2, ask=None)])

    sides = [(quote.bid_micros, quote.ask_micros) for quote in quotes_of(folder)]

    assert sides == [(500_000, 520_000), (ABSENT, 520_000), (500_000, ABSENT)]


def test_of_a_source_that_tells_one_side_at_a_time_the_other_is_not_told(tmp_path: Path) -> None:
    both = [a_quote_row(0, source="beta", market="m2")]
    folder = write(
        tmp_path,
        markets=[a_market_row(), a_market_row("m2", source="beta")],
        quotes=[a_quote_row(0, bid=None), a_quote_row(1, ask=None), *both],
    )

    sides = {(quote.bid_micros, quote.ask_micros) for quote in quotes_of(folder) if quote.token == "m1-up"}

    assert sides == {(NOT_TOLD, 520_000), (500_000, NOT_TOLD)}


@pytest.mark.parametrize("price", [NAN, INF, -0.2, 0.0, 1.0, 1.3, 1e300])
def test_a_quoted_price_that_is_none_is_an_empty_side(tmp_path: Path, price: float) -> None:
    folder = write(tmp_path, quotes=[a_quote_row(0), a_quote_row(1, ask=price)])

    assert quotes_of(folder)[1].ask_micros == ABSENT


@pytest.mark.parametrize("size", [None, NAN, INF])
def test_a_size_that_is_none_is_not_told(tmp_path: Path, size: float | None) -> None:
    folder = write(tmp_path, quotes=[a_quote_row(0, ask_size=size)])

    assert quotes_of(folder)[0].ask_size_micros == NOT_TOLD


def test_sizes_and_depths_are_micros_of_shares(tmp_path: Path) -> None:
    (quote, *_) = quotes_of(write(tmp_path))

    assert (quote.ask_size_micros, quote.ask_depth_micros, quote.bid_size_micros) == (20_000_000, 100_000_000, NOT_TOLD)


@pytest.mark.parametrize("changed", [{"ts_ns": None}, {"outcome": "SIDEWAYS"}, {"outcome": None}, {"market": "m9"}])
def test_a_quote_that_belongs_nowhere_is_counted_and_left_out(tmp_path: Path, changed: Row) -> None:
    recording = Recording(write(tmp_path, quotes=[a_quote_row(0), a_quote_row(1, **changed)]))

    quotes = [event for event in recording.events() if isinstance(event, Quote)]

    assert len(quotes) == 1
    assert recording.rejected_rows == 1


def test_the_underlying_is_its_price_or_the_middle_of_bid_and_ask(tmp_path: Path) -> None:
    rows = [a_spot_row(0, 5.0), a_spot_row(1, None, bid=4.0, ask=8.0)]
    spots = [event for event in events_of(write(tmp_path, underlying=rows)) if isinstance(event, Spot)]

    assert [spot.price for spot in spots] == [5.0, 6.0]
    assert (spots[0].asset, spots[0].feed, spots[0].stamped_ns) == ("BTC", "binance", T0_NS)


@pytest.mark.parametrize("price", [None, NAN, INF, 0.0, -1.0])
def test_an_underlying_that_is_no_price_is_counted_and_left_out(tmp_path: Path, price: float | None) -> None:
    recording = Recording(write(tmp_path, underlying=[a_spot_row(0), a_spot_row(1, price)]))

    spots = [event.price for event in recording.events() if isinstance(event, Spot)]

    assert spots == [100_000.0]
    assert recording.rejected_rows == 1


def test_an_underlying_without_bid_and_ask_columns_is_read(tmp_path: Path) -> None:
    rows = [{name: value for name, value in a_spot_row().items() if name not in ("bid", "ask")}]

    assert [event.price for event in events_of(write(tmp_path, underlying=rows)) if isinstance(event, Spot)] == [1e5]


@pytest.mark.parametrize(
    "changed",
    [
        {"price": 0.0}, {"price": 1.0}, {"price": NAN}, {"price": None}, {"outcome": None}, {"market": "m9"},
        {"kind": "REDEEM"}, {"kind": "MERGE"}, {"size": None}, {"size": NAN}, {"size": 0.0}, {"ts_ns": None},
    ],
)  # fmt: skip
def test_what_is_no_trade_between_people_is_left_out(tmp_path: Path, changed: Row) -> None:
    folder = write(tmp_path, trades=[a_trade_row(0), a_trade_row(1, **changed)])

    printed = [event for event in events_of(folder) if isinstance(event, Printed)]

    assert [(event.price_micros, event.size_micros) for event in printed] == [(510_000, 3_000_000)]


def test_trades_without_a_kind_are_all_trades(tmp_path: Path) -> None:
    rows = [{name: value for name, value in a_trade_row().items() if name != "kind"}]

    assert len([event for event in events_of(write(tmp_path, trades=rows)) if isinstance(event, Printed)]) == 1


def test_an_empty_trades_table_of_another_shape_has_no_trades(tmp_path: Path) -> None:
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64, "market": pl.String, "yes_price": pl.Float64, "source": pl.String})

    assert not [event for event in events_of(write(tmp_path, trades=empty)) if isinstance(event, Printed)]


def test_only_markets_that_have_quotes_and_a_known_timeframe_are_listed(tmp_path: Path) -> None:
    rows = [a_market_row(), a_market_row("unquoted"), a_market_row("hourly", timeframe="1h")]
    recording = Recording(write(tmp_path, markets=rows, quotes=[a_quote_row(0), a_quote_row(1, market="hourly")]))

    assert list(recording.markets) == ["alpha/m1"]
    assert recording.slots == (("BTC", "5m"),)


def two_sources(folder: Path, gap_s: int, *, outcomes: tuple[str, ...] = ("UP",)) -> Path:
    coarse = [
        a_quote_row(second, source="coarse", market="m2", outcome=outcome)
        for second in range(0, 300, gap_s)
        for outcome in outcomes
    ]
    return write(
        folder,
        markets=[a_market_row(), a_market_row("m2", source="coarse")],
        quotes=[*(a_quote_row(second) for second in range(60)), *coarse],
    )


@pytest.mark.parametrize("outcomes", [("UP",), ("UP", "DOWN")])
def test_a_source_that_is_too_coarse_is_skipped_and_said_so(tmp_path: Path, outcomes: tuple[str, ...]) -> None:
    recording = Recording(two_sources(tmp_path, 30, outcomes=outcomes))

    assert recording.sources == ("alpha",)
    assert recording.skipped == {"coarse": "a quote every 30 s cannot price a fill"}


@pytest.mark.parametrize(("gap_s", "is_taken"), [(10, True), (11, False)])
def test_a_quote_every_ten_seconds_is_just_fine_enough(tmp_path: Path, gap_s: int, is_taken: bool) -> None:
    assert ("coarse" in Recording(two_sources(tmp_path, gap_s)).sources) == is_taken


def test_a_coarse_source_that_was_asked_for_by_name_is_replayed(tmp_path: Path) -> None:
    recording = Recording(two_sources(tmp_path, 30), ("coarse",))

    assert recording.sources == ("coarse",)
    assert recording.skipped == {}
    assert recording.name == f"recording {tmp_path.name}: coarse"


def test_sources_are_told_apart_even_where_they_share_a_market(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        markets=[a_market_row(), a_market_row(source="beta", outcome="DOWN", up_token="b-up")],
        quotes=[a_quote_row(0), a_quote_row(1), a_quote_row(2, source="beta")],
    )

    tokens = [quote.token for quote in quotes_of(folder)]

    assert tokens == ["m1-up", "m1-up", "b-up"]
    assert Recording(folder, ("beta",)).origin == "recorded"


def test_an_unknown_source_is_refused_with_the_names_that_there_are(tmp_path: Path) -> None:
    folder = two_sources(tmp_path, 5)

    with pytest.raises(SourceRefused, match="no quotes of nobody; it has alpha, coarse"):
        Recording(folder, ("alpha", "nobody"))


@pytest.mark.parametrize("name", ["markets", "quotes", "underlying", "trades"])
def test_a_missing_table_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / f"{name}.parquet").unlink()

    with pytest.raises(SourceRefused, match=rf"{name}\.parquet does not exist; a recording is a folder with"):
        Recording(tmp_path)


@pytest.mark.parametrize("name", ["markets", "quotes", "underlying", "trades"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_table_is_refused_at_once(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path) / f"{name}.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(SourceRefused, match=rf"{name}\.parquet cannot be read as Parquet: "):
        Recording(tmp_path)


@pytest.mark.parametrize(
    ("name", "column"),
    [("markets", "outcome_source"), ("quotes", "ask"), ("underlying", "feed"), ("trades", "size")],
)
def test_a_table_without_a_column_is_refused_with_its_name(tmp_path: Path, name: str, column: str) -> None:
    path = write(tmp_path) / f"{name}.parquet"
    pl.read_parquet(path).drop(column).write_parquet(path)

    with pytest.raises(SourceRefused, match=rf"{name}\.parquet lacks the columns {column}"):
        Recording(tmp_path)


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [("quotes", "ts_ns", pl.Float64()), ("quotes", "bid", pl.String()), ("markets", "start_ts_ns", pl.String()),
     ("underlying", "price", pl.String()), ("trades", "size", pl.String())],
)  # fmt: skip
def test_a_column_of_the_wrong_kind_is_refused_with_its_name(
    tmp_path: Path, name: str, column: str, kind: pl.DataType
) -> None:
    path = write(tmp_path) / f"{name}.parquet"
    pl.read_parquet(path).with_columns(pl.col(column).cast(kind)).write_parquet(path)

    with pytest.raises(SourceRefused, match=rf"{name}\.parquet: {column} is {kind}"):
        Recording(tmp_path)


def test_a_recording_without_any_quote_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, quotes=a_table([a_quote_row()]).clear())

    with pytest.raises(SourceRefused, match="no market of 5 or 15 minutes has quotes"):
        Recording(folder)


def test_a_quotes_table_without_rows_and_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"quotes\.parquet lacks the columns"):
        Recording(write(tmp_path, quotes=pl.DataFrame(schema={"ts_ns": pl.Int64})))


def test_a_source_whose_quotes_are_of_no_listed_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no market of 5 or 15 minutes has quotes in alpha"):
        Recording(write(tmp_path, quotes=[a_quote_row(market="m9")]))


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTCUSD", "BTC-USD", "BTC/USD", "BTC"])
def test_a_symbol_is_its_asset(symbol: str) -> None:
    assert asset_of(symbol) == "BTC"


# The real recordings.

DATA = Path(os.environ.get("FORESIGHT_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "data")
needs_recordings = pytest.mark.skipif(
    not (DATA / "polymarket" / "quotes.parquet").exists(),
    reason=f"the real recordings are not in {DATA} (set FORESIGHT_RECORDINGS): their order and counts are not proved",
)
REAL = [
    ("polymarket", name)
    for name in ("alihakan_ws", "borisz42", "thevalerka_csv", "thevalerka_marks", "weiuou")
] + [("kalshi", "johnnygod")]  # fmt: skip


@cache
def real_table(venue: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(DATA / venue / f"{name}.parquet")


@pytest.mark.recordings
@needs_recordings
@pytest.mark.parametrize("venue", ["polymarket", "kalshi"])
def test_every_source_of_the_real_recordings_is_replayed_or_said_to_be_skipped(venue: str) -> None:
    recording = Recording(DATA / venue)

    assert {*recording.sources, *recording.skipped} == set(real_table(venue, "quotes")["source"].unique())
    assert {(venue, name) for name in recording.sources} == {pair for pair in REAL if pair[0] == venue}


@pytest.mark.recordings
@needs_recordings
@pytest.mark.parametrize(("venue", "source"), REAL)
def test_a_real_source_keeps_order_and_agrees_with_its_tables(venue: str, source: str) -> None:
    recording = Recording(DATA / venue, (source,))
    counts: Counter[type] = Counter()
    last_ns = 0
    for event in recording.events():
        assert last_ns <= event.at_ns
        last_ns = event.at_ns
        counts[type(event)] += 1
        if isinstance(event, Quote):
            assert all(value >= NOT_TOLD for value in (event.bid_micros, event.ask_micros))
        elif isinstance(event, Spot):
            assert math.isfinite(event.price)

    of_source = pl.col("source") == source
    rows = (
        real_table(venue, "quotes").filter(of_source).height + real_table(venue, "underlying").filter(of_source).height
    )
    assert counts[Quote] + counts[Spot] + recording.rejected_rows == rows
    assert counts[Listed] == len(recording.markets)
    known = real_table(venue, "markets").filter(of_source & pl.col("outcome").is_in(["UP", "DOWN"]))
    assert counts[Resolved] == len({f"{source}/{slug}" for slug in known["slug"]} & set(recording.markets))
