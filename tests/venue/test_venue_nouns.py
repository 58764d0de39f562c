"""The pure parts: ids, ladders, candles, hashes, prices."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON_NS, a_market, seconds
from foresight.events import NOT_TOLD, Depth, Listed, Quote
from foresight.markets import MINUTE_NS, SECOND_NS, Token
from foresight.money import MICROS, micros
from foresight.sources.simulated.windows import market_of
from foresight.venue.candles import MINUTES_KEPT, SECONDS_KEPT, Candles, joined
from foresight.venue.clob_frames import BOOK_KEYS, book_hash
from foresight.venue.decimals import accurate_text, accurate_units, decimal_text, price_text
from foresight.venue.identities import identity_of, version_of
from foresight.venue.ladders import Ladder
from foresight.venue.listings import LISTED_AHEAD_NS, Listings
from foresight.venue.settings import VenueSettings
from foresight.venue.state import VenueState

DATA = Path(os.environ.get("FORESIGHT_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "data")
FRAMES = DATA / "fixtures" / "polymarket_ws_market_btc5m_20260421.jsonl.gz"
SLOTS = (("BTC", "5m"), ("BTC", "15m"))

Levels = dict[int, int]


def test_the_hash_of_a_book_is_that_of_the_official_client() -> None:
    """The vector of venue spec §14."""
    book: dict[str, object] = {
        "market": "0x" + "ab" * 32,
        "asset_id": "25070934348813416902477876984955073880416401960631253331845590271167412497744",
        "timestamp": "1795000000123",
        "hash": "",
        "bids": [{"price": "0.01", "size": "500"}, {"price": "0.51", "size": "120"}],
        "asks": [{"price": "0.99", "size": "500"}, {"price": "0.53", "size": "80"}],
        "min_order_size": "5",
        "tick_size": "0.01",
        "neg_risk": False,
        "last_trade_price": "0.520",
    }
    assert book_hash(book) == "cceab92cf089a40090bd885dc3ff33b867235706"
    assert tuple(book) == BOOK_KEYS


@pytest.mark.recordings
@pytest.mark.skipif(not FRAMES.exists(), reason=f"{FRAMES} is not there: the hash of recorded books is not proved")
def test_recorded_books_have_the_hash_that_is_computed_from_amounts_as_they_are_written_here() -> None:
    checked = 0
    with gzip.open(FRAMES, "rt") as lines:
        for line in lines:
            book = json.loads(line)["payload"]
            if isinstance(book, dict) and book["event_type"] == "book" and "tick_size" in book:
                book |= {"min_order_size": "5", "neg_risk": False}
                for side in ("bids", "asks"):
                    book[side] = [
                        {name: decimal_text(micros(float(level[name]))) for name in ("price", "size")}
                        for level in book[side]
                    ]
                assert book_hash(book) == book["hash"]
                checked += 1
    assert checked == 4


@pytest.mark.parametrize(
    ("amount", "text"),
    [(100_000, "0.1"), (520_000, "0.52"), (339 * MICROS, "339"), (0, "0"), (12_334_830_000, "12334.83")],
)
def test_amounts_are_written_without_zeros_at_their_end(amount: int, text: str) -> None:
    assert decimal_text(amount) == text


def test_accurate_prices_are_written_exactly() -> None:
    assert accurate_text(81_200.5) == "81200.500000000000000000"
    assert accurate_units(81_201.5) == "81201500000000000000000"
    assert price_text(130_000) == "0.130"


def test_ids_of_both_versions_are_well_formed_unlike_and_the_same_each_time() -> None:
    markets = [market_of("BTC", timeframe, 1_795_177_800) for timeframe in ("5m", "15m")]
    for version in ("v1", "v2"):
        ids = [identity_of(market, version) for market in markets]
        assert ids == [identity_of(market, version) for market in markets]
        tokens = [token for identity in ids for token in identity.tokens]
        assert len(set(tokens)) == 4
        assert all(token.isdecimal() and len(token) <= 78 for token in tokens)
        assert len({identity.condition for identity in ids}) == 2
        assert all(len(identity.condition) == 66 for identity in ids)
    v1, v2 = identity_of(markets[0], "v1"), identity_of(markets[0], "v2")
    assert (v1.up, v1.gamma_condition) == (markets[0].up, v1.condition)
    assert v2.gamma_condition + "00" == v2.condition
    assert int(v1.up) & (2**64 - 1) << 40 != 0 == int(v2.up) & (2**64 - 1) << 40
    assert int(v2.up) >> 248 == 1


def test_a_source_token_that_is_no_number_gets_one() -> None:
    identity = identity_of(a_market(), "v1")
    assert identity.up.isdecimal() and identity.up != identity.down


def test_every_other_window_of_a_mixed_venue_is_v2() -> None:
    versions = [version_of(market_of("BTC", "5m", start), "mixed") for start in range(0, 1200, 300)]
    assert versions == ["v1", "v2", "v1", "v2"]


levels = st.dictionaries(st.integers(1, 49).map(lambda n: n * 10_000), st.integers(1, 10**9), max_size=6)


@given(levels, levels, levels, levels)
def test_the_changes_from_one_book_to_the_next_make_the_next_one(a: Levels, b: Levels, c: Levels, d: Levels) -> None:
    ladder = Ladder()
    ladder.replace(a.items(), _above(b).items())
    sides = {True: dict(ladder.bids), False: dict(ladder.asks)}
    for change in ladder.replace(c.items(), _above(d).items()):
        sides[change.is_bid][change.price_micros] = change.size_micros
        if change.size_micros == 0:
            del sides[change.is_bid][change.price_micros]
    assert sides == {True: c, False: _above(d)}


def _above(levels: Levels) -> Levels:
    return {price + 500_000: size for price, size in levels.items()}


@given(levels, levels)
def test_down_is_the_mirror_of_up(bids: Levels, asks: Levels) -> None:
    ladder = Ladder()
    ladder.replace(bids.items(), _above(asks).items())
    up_bids, up_asks = ladder.sides("UP")
    down_bids, down_asks = ladder.sides("DOWN")
    assert [(MICROS - price, size) for price, size in down_asks] == up_bids
    assert [(MICROS - price, size) for price, size in down_bids] == up_asks
    assert up_bids == sorted(up_bids)
    assert down_asks == sorted(down_asks, reverse=True)


def test_a_side_that_is_not_told_stays_but_for_levels_that_would_cross() -> None:
    ladder = Ladder()
    ladder.replace([(510_000, 1), (500_000, 2)], [(530_000, 3), (540_000, 4)])
    ladder.replace([(535_000, 9)], None)
    assert (ladder.bids, ladder.asks) == ({535_000: 9}, {540_000: 4})
    ladder.replace(None, [(520_000, 5)])
    assert (ladder.bids, ladder.asks) == ({}, {520_000: 5})


def a_state(**settings: object) -> VenueState:
    state = VenueState(VenueSettings(**settings), slots=SLOTS, by_arithmetic=False)  # type: ignore[arg-type]
    state.take(Listed(NOON_NS, a_market()), [])
    return state


def a_quote(after_s: float, *, bid: float | None, ask: float | None, up: bool = True, size: int = NOT_TOLD) -> Quote:
    prices = [NOT_TOLD if price is None else micros(price) for price in (bid, ask)]
    token = a_market().up if up else a_market().down
    return Quote(NOON_NS + seconds(after_s), token, *prices, bid_size_micros=size, ask_size_micros=size)


def test_a_recorded_quote_without_sizes_has_a_hundred_shares_and_an_empty_side_none() -> None:
    state = a_state()
    state.take(a_quote(1, bid=0.52, ask=0.0), [])
    listing = state.listings.of_slug(a_market().market_id)
    assert listing is not None
    assert (listing.ladder.bids, listing.ladder.asks) == ({520_000: 100 * MICROS}, {})


def test_down_is_taken_side_by_side_and_only_where_up_was_silent_for_five_seconds() -> None:
    state = a_state()
    listing = state.listings.of_slug(a_market().market_id)
    assert listing is not None
    state.take(a_quote(0, bid=0.52, ask=None), [])
    state.take(a_quote(1, bid=0.40, ask=0.45, up=False), [])
    assert listing.ladder.best("UP") == (520_000, 600_000)
    state.take(a_quote(4.9, bid=0.41, ask=0.45, up=False), [])
    assert listing.ladder.best("UP") == (520_000, 590_000)
    state.take(a_quote(5, bid=0.41, ask=0.45, up=False), [])
    assert listing.ladder.best("UP") == (550_000, 590_000)


def test_a_book_of_an_unknown_token_changes_nothing() -> None:
    state = a_state()
    state.take(Depth(NOON_NS, Token("nobody"), ((500_000, 1),), ()), [])
    assert all(not listing.ladder.bids for listing in state.listings)


def test_windows_are_listed_a_day_ahead_by_arithmetic_and_forgotten_a_day_after_their_end() -> None:
    listings = Listings(SLOTS, "v1", by_arithmetic=True)
    first = listings.extend(NOON_NS)
    assert len(first) == len(listings) == 289 + 97
    assert max(listing.market.start_ns for listing in first) == NOON_NS + LISTED_AHEAD_NS
    assert listings.extend(NOON_NS) == []
    (new,) = listings.extend(NOON_NS + 5 * MINUTE_NS)
    assert new.market.start_ns == NOON_NS + LISTED_AHEAD_NS + 5 * MINUTE_NS
    for at_ns in range(NOON_NS, NOON_NS + 3 * LISTED_AHEAD_NS, 30 * MINUTE_NS):
        listings.extend(at_ns)
    assert len(listings) <= 2 * (289 + 97)
    assert listings.of_slug(first[0].slug) is None
    assert listings.of_token(first[0].identity.up) is None


def test_candles_without_trades_repeat_the_last_close_and_their_number_is_bounded() -> None:
    candles = Candles()
    candles.add(NOON_NS, 100.0, 1.0, 1, is_buy=True)
    candles.add(NOON_NS + 3 * SECOND_NS, 105.0, 2.0, 2, is_buy=False)
    assert [(c.open, c.close, c.count) for c in candles.seconds] == [
        (100.0, 100.0, 1), (100.0, 100.0, 0), (100.0, 100.0, 0), (105.0, 105.0, 1)
    ]  # fmt: skip
    (minute,) = candles.minutes
    assert (minute.open, minute.high, minute.volume, minute.bought, minute.first, minute.last) == (
        100.0, 105.0, 3.0, 1.0, 1, 2
    )  # fmt: skip
    candles.roll(NOON_NS + 100 * 24 * 3_600 * SECOND_NS)
    assert (len(candles.seconds), len(candles.minutes)) == (SECONDS_KEPT, MINUTES_KEPT)
    assert candles.seconds[-1].open_ns == NOON_NS + 100 * 24 * 3_600 * SECOND_NS


def test_longer_candles_are_put_together_from_minutes() -> None:
    candles = Candles()
    for n in range(7):
        candles.add(NOON_NS + n * MINUTE_NS, 100.0 + n, 1.0, n, is_buy=True)
    first, second = joined(candles.minutes, 5 * MINUTE_NS)
    assert (first.open, first.close, first.high, first.volume, first.count) == (100.0, 104.0, 104.0, 5.0, 5)
    assert (second.open_ns, second.close) == (NOON_NS + 5 * MINUTE_NS, 106.0)
    assert candles.current("5m") == second == candles.recent("5m", 1)[0]
