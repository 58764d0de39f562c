"""The venues' official clients, unmodified, read what the venue serves; what they return is held against it.

Reads are made from a venue whose time nearly stands still, so that two reads tell the same; streams from one at high
speed, so that a window ends within the test. Versions and overrides are those of venue spec §12.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conversations import make_environment, talk

from venue.venue_process import VenueProcess

pytestmark = pytest.mark.process
VERSIONS = ("v1", "v2")
ASSETS = ("--assets", "BTC,ETH,HYPE")


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    make_environment()


@pytest.fixture(scope="module", params=VERSIONS)
def still(request: pytest.FixtureRequest) -> Iterator[VenueProcess]:
    """A venue whose time passes a hundred times slower."""
    with VenueProcess("--version", request.param, *ASSETS, "--seed", "5", "--speed", "0.01") as venue:
        yield venue


@pytest.fixture(scope="module", params=VERSIONS)
def quick(request: pytest.FixtureRequest) -> Iterator[VenueProcess]:
    """A venue in which a minute passes in a second."""
    with VenueProcess("--version", request.param, *ASSETS, "--seed", "5", "--speed", "60") as venue:
        yield venue


def a_window_with_both_sides(venue: VenueProcess) -> tuple[dict[str, Any], list[str]]:
    """A Gamma row of now and its tokens, whose book has bids and asks."""
    for asset in ("btc", "eth", "hype"):
        for timeframe in ("5m", "15m"):
            row = venue.get(f"/gamma/markets/slug/{venue.slug(asset, timeframe)}")
            tokens = tokens_of(row)
            book = venue.get(f"/book?token_id={tokens[0]}")
            if book["bids"] and book["asks"]:
                return row, tokens
    raise AssertionError("no window of this seed has both sides")


def tokens_of(row: dict[str, Any]) -> list[str]:
    tokens: list[str] = row["positionIds"] if row["version"] == "v2" else json.loads(row["clobTokenIds"])
    return tokens


def condition_of(row: dict[str, Any]) -> str:
    """As the CLOB writes it."""
    return str(row["conditionId"]).ljust(66, "0")


def while_nothing_changes(read: Callable[[], Any], say: Callable[[], Any]) -> tuple[Any, Any]:
    """What the venue showed before and after the client read, and what the client read, once both are the same."""
    for _ in range(10):
        before, told = read(), say()
        if read() == before:
            return before, told
    raise AssertionError("the venue's books never stood still")


def levels(book: dict[str, Any], side: str) -> list[tuple[float, float]]:
    return [(float(level["price"]), float(level["size"])) for level in book[side]]


def test_polymarket_client_reads_a_market_its_event_and_its_books(still: VenueProcess) -> None:
    row, tokens = a_window_with_both_sides(still)
    raw, told = while_nothing_changes(
        lambda: [still.get(f"/book?token_id={token}") for token in tokens],
        lambda: talk("talk_polymarket", still.url, row["slug"], "reads"),
    )
    row = still.get(f"/gamma/markets/slug/{row['slug']}")
    market, is_v2 = told["market"], row["version"] == "v2"
    assert (market["id"], market["slug"], market["version"]) == (row["id"], row["slug"], row["version"])
    assert (market["condition_id"], market["question"]) == (row["conditionId"], row["question"])
    outcomes = (market["outcomes"]["yes"], market["outcomes"]["no"])
    assert [outcome["label"] for outcome in outcomes] == ["Up", "Down"]
    assert [outcome["position_id" if is_v2 else "token_id"] for outcome in outcomes] == tokens
    assert [outcome["token_id" if is_v2 else "position_id"] for outcome in outcomes] == [None, None]
    state = market["state"]
    assert (state["active"], state["closed"], state["accepting_orders"]) == (True, False, True)
    assert state["end_date"] == row["endDate"]
    trading = market["trading"]
    assert (trading["minimum_order_size"], trading["minimum_tick_size"]) == ("5", "0.01")
    assert (trading["fee_schedule"]["rate"], trading["fee_schedule"]["exponent"]) == ("0.07", 1)
    assert [float(outcome["price"]) for outcome in outcomes] == [float(p) for p in json.loads(row["outcomePrices"])]
    assert told["event"]["slug"] == row["slug"]
    for book, expected in ((told["book"], raw[0]), *zip(told["books"], raw, strict=True)):
        assert book["asset_id"] == expected["asset_id"]
        assert (book["condition_id"], book["hash"]) == (condition_of(row), expected["hash"])
        assert [levels(book, side) for side in ("bids", "asks")] == [levels(expected, s) for s in ("bids", "asks")]
        assert (book["tick_size"], book["min_order_size"], book["neg_risk"]) == (expected["tick_size"], "5", False)


def test_polymarket_client_follows_a_market_until_it_is_resolved(quick: VenueProcess) -> None:
    slug = quick.slug("btc", "5m", ahead=3)
    told = talk("talk_polymarket", quick.url, slug, "market", "60")
    tokens, events = told["tokens"], told["events"]
    kinds = {"book", "price_change", "last_trade_price", "best_bid_ask", "new_market", "market_resolved"}
    assert kinds <= set(events) <= kinds | {"tick_size_change"}  # the last where a price comes near its end
    assert {book["asset_id"] for book in events["book"]} == set(tokens)
    for change in (change for event in events["price_change"] for change in event["price_changes"]):
        assert change["asset_id"] in tokens
        assert 0 < float(change["price"]) < 1 and float(change["size"]) >= 0
        assert change["best_bid"] is None or change["best_ask"] is None or _top(change)
    assert all(0 < float(trade["price"]) < 1 and float(trade["size"]) > 0 for trade in events["last_trade_price"])
    assert all(top["asset_id"] in tokens for top in events["best_bid_ask"])
    assert all(market["outcomes"] == ["Up", "Down"] for market in events["new_market"])
    (resolved,) = events["market_resolved"]
    assert resolved["asset_ids"] == tokens
    winner = {"Up": tokens[0], "Down": tokens[1]}[resolved["winning_outcome"]]
    assert resolved["winning_asset_id"] == winner
    later = talk("talk_polymarket", quick.url, slug, "resolutions")
    (resolution,) = later["resolutions"]
    assert (resolution["status"], resolution["reporter"]) == ("resolved", "CHAINLINK")
    assert resolution["payouts"] == (["1", "0"] if winner == tokens[0] else ["0", "1"])
    assert later["market"]["state"]["closed"] is True
    prices = [float(later["market"]["outcomes"][outcome]["price"]) for outcome in ("yes", "no")]
    assert prices == [float(payout) for payout in resolution["payouts"]]


def _top(change: dict[str, Any]) -> bool:
    return float(change["best_bid"]) < float(change["best_ask"])


def test_polymarket_client_logs_in_to_polybolt_and_reads_averages(quick: VenueProcess) -> None:
    events = talk("talk_polymarket", quick.url, "-", "twap", "3")["events"]
    averages = [event for event in events if event["topic"] == "prices.crypto.twap"]
    symbols = {event["payload"]["symbol"] for event in averages}
    assert symbols == {"btcusd", "ethusd"}
    assert all(event["payload"]["source"] == "chainlink" for event in averages)
    for symbol in symbols:
        mine = [event for event in averages if event["payload"]["symbol"] == symbol]
        assert [event["type"] for event in mine[:2]] == ["subscribe", "update"]
        points = mine[0]["payload"]["data"]
        assert 118 <= len(points) <= 120
        stamps = [point["timestamp"] for point in points] + [event["payload"]["timestamp"] for event in mine[1:]]
        assert stamps == sorted(set(stamps))
    assert [event["seq"] for event in averages] == list(range(1, len(averages) + 1))
    assert all(event["dropped"] is None for event in averages)
    spots = [event for event in events if event["topic"] == "prices.crypto" and event["type"] == "update"]
    latest = [float(event["payload"]["value"]) for event in averages if event["payload"].get("value")]
    assert spots
    assert all(0.9 < float(spot["payload"]["value"]) / max(latest) < 1.1 for spot in spots)


def test_py_clob_client_reads_books_and_a_market(still: VenueProcess) -> None:
    row, (up, down) = a_window_with_both_sides(still)
    condition = condition_of(row)
    raw, told = while_nothing_changes(
        lambda: still.get(f"/book?token_id={up}"), lambda: talk("talk_clob", still.url, up, down, condition)
    )
    bid, ask = float(raw["bids"][-1]["price"]), float(raw["asks"][-1]["price"])
    assert told["book"] == raw
    assert [book["asset_id"] for book in told["books"]] == [up, down]
    assert levels(told["books"][1], "bids")[-1][0] == pytest.approx(1 - ask)
    assert (told["tick_size"], told["neg_risk"], told["fee_rate_bps"], told["fee_exponent"]) == ("0.01", False, 1000, 1)
    assert float(told["midpoint"]["mid"]) == pytest.approx((bid + ask) / 2)
    assert float(told["spread"]["spread"]) == pytest.approx(ask - bid)
    assert (float(told["buy"]["price"]), float(told["sell"]["price"])) == (bid, ask)
    assert told["compact"]["c"] == told["market"]["condition_id"] == condition
    assert [token["t"] for token in told["compact"]["t"]] == [up, down]
    assert [(token["token_id"], token["outcome"]) for token in told["market"]["tokens"]] == [(up, "Up"), (down, "Down")]
    assert told["market"]["market_slug"] == row["slug"]
    assert (told["ok"], told["version"]) == ("OK", 2)
    assert told["by_token"] == {"condition_id": condition, "primary_token_id": up, "secondary_token_id": down}
    assert 0 <= still.get("/time") - told["time"] <= 1
    assert told["hash"] == raw["hash"]


def test_binance_connector_reads_and_streams(quick: VenueProcess) -> None:
    told = talk("talk_binance", quick.url, "30")
    assert told["ping"] == {}
    (symbol,) = told["info"]["symbols"]
    assert (symbol["symbol"], symbol["status"], symbol["baseAsset"]) == ("BTCUSDT", "TRADING", "BTC")
    assert len(told["klines"]) >= 30
    assert [row[0] for row in told["klines"]] == list(
        range(told["klines"][0][0], told["klines"][-1][0] + 60_000, 60_000)
    )
    for row in told["klines"] + told["seconds"]:
        opened, high, low, close = (float(value) for value in row[1:5])
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert len(row) == 12
    assert [float(price) for price, _ in told["depth"]["bids"]] == sorted(
        (float(price) for price, _ in told["depth"]["bids"]), reverse=True
    )
    assert len(told["depth"]["asks"]) == 10
    assert len(told["agg_trades"]) == 5
    assert float(told["book_ticker"]["bidPrice"]) < float(told["book_ticker"]["askPrice"])
    assert float(told["price"]["price"]) == pytest.approx(float(told["average"]["price"]), rel=0.05)
    assert (told["hype"]["status"], told["hype"]["code"]) == (400, -1121)
    assert (told["interval"]["status"], told["interval"]["code"]) == (400, -1120)
    streams = ["btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@kline_1s", "btcusdt@depth5@100ms"]
    assert told["replies"][:2] == [{"result": None, "id": 7}, {"result": streams, "id": 8}]
    assert set(told["frames"]) == set(streams)
    assert all(frame["s"] == "BTCUSDT" for name in streams[:3] for frame in told["frames"][name])
    assert all(frame["k"]["x"] for frame in told["frames"]["btcusdt@kline_1s"])
    assert all(len(frame["bids"]) == len(frame["asks"]) == 5 for frame in told["frames"]["btcusdt@depth5@100ms"])
