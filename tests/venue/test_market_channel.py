"""The CLOB's market channel on the wire (venue spec §6.1)."""

from serving import BTC, QUICK, Venue, a_depth, with_venue

from builders import NOON_NS, a_market, seconds
from foresight.events import Listed, Printed, Resolved
from foresight.markets import MINUTE_NS
from foresight.money import micros


def test_the_first_frame_after_subscribing_is_an_array_of_whole_books_best_level_last() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.socket("/ws/market") as socket:
            first = await socket.asks({"type": "market", "assets_ids": [venue.up(), venue.down()]})
        up, down = first
        assert [book["event_type"] for book in first] == ["book", "book"]
        assert (up["market"], up["asset_id"], up["timestamp"]) == (venue.condition(), venue.up(), "1767614401000")
        assert up["bids"] == [
            {"price": "0.5", "size": "200"}, {"price": "0.51", "size": "100"}, {"price": "0.52", "size": "30"}
        ]  # fmt: skip
        assert up["asks"][-1] == {"price": "0.54", "size": "30"}
        assert down["asset_id"] == venue.down()
        assert down["bids"][-1] == {"price": "0.46", "size": "30"}
        assert down["asks"][-1] == {"price": "0.48", "size": "30"}
        assert (up["tick_size"], up["last_trade_price"]) == ("0.01", "")

    with_venue(work)


def test_a_listed_market_without_quotes_has_an_empty_book_and_an_unknown_token_none() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/market") as socket:
            first = await socket.asks({"type": "market", "assets_ids": [venue.up(), "17"]})
        assert [(book["asset_id"], book["bids"], book["asks"]) for book in first] == [(venue.up(), [], [])]

    with_venue(work)


def test_a_text_ping_is_answered_with_a_text_pong() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/market") as socket:
            await socket.say("PING")
            assert await socket.text() == "PONG"

    with_venue(work)


def test_a_connection_that_sends_no_ping_is_dropped_without_a_close_frame() -> None:
    async def work(venue: Venue) -> None:
        async with venue.market_channel() as socket:
            assert await socket.closed() == 1006

    with_venue(work, pace=QUICK)


def test_a_delta_names_both_tokens_their_new_sizes_and_the_top_after_it() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel() as socket:
            venue.book(0.52, 0.54, size=45, after_s=2)
            frame = await socket.frame()
        assert frame["event_type"] == "price_change"
        assert "asset_id" not in frame
        told = [(c["asset_id"], c["price"], c["size"], c["side"]) for c in frame["price_changes"]]
        assert told == [
            (venue.up(), "0.52", "45", "BUY"), (venue.down(), "0.48", "45", "SELL"),
            (venue.up(), "0.54", "45", "SELL"), (venue.down(), "0.46", "45", "BUY"),
        ]  # fmt: skip
        assert {c["best_bid"] + "/" + c["best_ask"] for c in frame["price_changes"]} == {"0.52/0.54", "0.46/0.48"}

    with_venue(work)


def test_deltas_applied_to_the_first_books_give_the_book_that_rest_shows_with_the_same_hash() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.socket("/ws/market") as socket:
            books = await socket.asks({"type": "market", "assets_ids": [venue.up(), venue.down()]})
            sides = {(book["asset_id"], side): _levels(book[name]) for book in books for side, name in SIDES}
            hashes = {}
            for step, (bid, ask) in enumerate([(0.53, 0.55), (0.30, 0.31), (0.97, 0.99), (0.50, 0.52)], 2):
                venue.book(bid, ask, after_s=step, size=10 * step)
                for change in (await socket.frame())["price_changes"]:
                    levels = sides[change["asset_id"], change["side"]]
                    levels[change["price"]] = change["size"]
                    if change["size"] == "0":
                        del levels[change["price"]]
                    hashes[change["asset_id"]] = change["hash"]
        for token in (venue.up(), venue.down()):
            _, book = await venue.get(f"/book?token_id={token}")
            assert book["hash"] == hashes[token]
            for side, name in SIDES:
                assert sides[token, side] == _levels(book[name])

    with_venue(work, ticks_change=False)


SIDES = (("BUY", "bids"), ("SELL", "asks"))


def _levels(levels: list[dict[str, str]]) -> dict[str, str]:
    return {level["price"]: level["size"] for level in levels}


def test_a_trade_is_told_and_whole_books_follow_the_next_change() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel() as socket:
            venue.tell(Printed(NOON_NS + seconds(2), BTC.up, micros(0.54), micros(9.43)))
            trade = await socket.frame()
            venue.book(0.52, 0.54, size=20, after_s=2.1)
            change, up, down = await socket.frames(3)
        assert (trade["event_type"], trade["asset_id"]) == ("last_trade_price", venue.up())
        assert (trade["price"], trade["size"], trade["side"]) == ("0.54", "9.43", "BUY")
        assert trade["fee_rate_bps"] == "0"
        assert len(trade["transaction_hash"]) == 66
        assert change["event_type"] == "price_change"
        assert [book["last_trade_price"] for book in (up, down)] == ["0.540", "0.460"]
        assert up["hash"] == change["price_changes"][0]["hash"]

    with_venue(work)


def test_a_trade_at_the_bid_is_a_sale() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel() as socket:
            venue.tell(Printed(NOON_NS + seconds(2), BTC.down, micros(0.46), micros(5)))
            trade = await socket.frame()
        assert (trade["asset_id"], trade["side"]) == (venue.down(), "SELL")

    with_venue(work)


def test_a_new_top_is_told_of_both_tokens_to_those_who_asked_for_custom_events_only() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel(custom=True) as socket, venue.market_channel() as plain:
            venue.book(0.53, 0.54, after_s=2)
            change, up, down = await socket.frames(3)
            assert (await plain.frame())["event_type"] == "price_change"
            venue.book(0.53, 0.54, size=31, after_s=3)
            assert (await plain.frame())["event_type"] == "price_change"
        assert change["event_type"] == "price_change"
        assert (up["event_type"], up["asset_id"]) == ("best_bid_ask", venue.up())
        assert (up["best_bid"], up["best_ask"], up["spread"]) == ("0.53", "0.54", "0.01")
        assert (down["asset_id"], down["best_bid"], down["best_ask"]) == (venue.down(), "0.46", "0.47")

    with_venue(work)


def test_an_empty_side_is_an_empty_text() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel(custom=True) as socket:
            venue.tell(a_depth(0.99, 1.0, at_ns=NOON_NS + seconds(2)))
            change, up, _ = await socket.frames(3)
        assert {(c["best_bid"], c["best_ask"]) for c in change["price_changes"]} == {("0.99", ""), ("", "0.01")}
        assert (up["best_bid"], up["best_ask"], up["spread"]) == ("0.99", "", "")

    with_venue(work)


def test_a_new_market_is_told_to_everybody_with_custom_events() -> None:
    later = a_market(start_ns=NOON_NS + 5 * MINUTE_NS)

    async def work(venue: Venue) -> None:
        async with venue.market_channel(custom=True) as socket:
            venue.tell(Listed(NOON_NS + seconds(1), later))
            frame = await socket.frame()
        assert (frame["event_type"], frame["slug"]) == ("new_market", later.market_id)
        assert frame["assets_ids"] == [venue.up(later), venue.down(later)]
        assert frame["market"] == frame["condition_id"] == venue.condition(later)

    with_venue(work)


def test_a_resolution_is_told_and_the_connection_closed_when_nothing_else_is_open() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel(custom=True) as socket:
            venue.tell(Resolved(BTC.end_ns + seconds(30), BTC.market_id, "DOWN", "test"))
            frame = await socket.frame()
            assert await socket.closed() == 1000
        assert (frame["event_type"], frame["winning_asset_id"]) == ("market_resolved", venue.down())
        assert frame["winning_outcome"] == "Down"

    with_venue(work)


def test_a_connection_with_another_open_market_stays() -> None:
    later = a_market(start_ns=NOON_NS + 5 * MINUTE_NS)

    async def work(venue: Venue) -> None:
        async with venue.market_channel() as socket:
            await socket.asks({"operation": "subscribe", "assets_ids": [venue.up(later)]})
            venue.tell(Resolved(BTC.end_ns + seconds(30), BTC.market_id, "UP", "test"))
            await socket.say("PING")
            assert await socket.text() == "PONG"

    with_venue(work, markets=(BTC, later))


def test_subscribing_further_tokens_brings_their_books_and_unsubscribing_silences() -> None:
    later = a_market(start_ns=NOON_NS + 5 * MINUTE_NS)

    async def work(venue: Venue) -> None:
        async with venue.market_channel() as socket:
            books = await socket.asks({"operation": "subscribe", "assets_ids": [venue.up(later), venue.down(later)]})
            assert [book["asset_id"] for book in books] == [venue.up(later), venue.down(later)]
            await socket.say({"operation": "unsubscribe", "assets_ids": [venue.up(), venue.down()]})
            await socket.say("PING")
            assert await socket.text() == "PONG"
            venue.book(0.40, 0.42)
            venue.tell(a_depth(0.6, 0.62, at_ns=NOON_NS + seconds(2), token=later.up))
            assert (await socket.frame())["market"] == venue.condition(later)

    with_venue(work, markets=(BTC, later))


def test_naming_a_token_again_turns_custom_events_on_and_sends_no_book() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        async with venue.market_channel() as socket:
            await socket.say({"operation": "subscribe", "assets_ids": [venue.up()], "custom_feature_enabled": True})
            await socket.say("PING")
            assert await socket.text() == "PONG"
            venue.book(0.51, 0.54, after_s=2)
            assert [frame["event_type"] for frame in await socket.frames(2)] == ["price_change", "best_bid_ask"]

    with_venue(work)


def test_five_hundred_tokens_are_taken_and_one_more_closes_the_connection() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/market") as socket:
            assert await socket.asks({"type": "market", "assets_ids": [str(n) for n in range(500)]}) == []
            await socket.say({"operation": "subscribe", "assets_ids": ["500"]})
            assert await socket.closed() == 1008

    with_venue(work)


def test_what_is_no_message_is_answered_and_changes_nothing() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/market") as socket:
            for text in ("hello", "{}", "[]", '{"type":"market"}', '{"type":"market","assets_ids":[1]}', "[" * 5_000):
                await socket.say(text)
                assert await socket.text() == "INVALID OPERATION"
        assert not venue.state.watched_tokens

    with_venue(work)


def test_nobody_is_watched_once_everybody_has_left() -> None:
    async def work(venue: Venue) -> None:
        async with venue.market_channel():
            assert set(venue.state.watched_tokens) == {venue.up(), venue.down()}
            (connection,) = venue.server.desk.hub.connections()
        await connection.gone.wait()
        assert venue.state.watched_tokens.total() == 0

    with_venue(work)


def test_the_tick_becomes_fine_at_the_edge() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.90, 0.92)
        async with venue.market_channel() as socket:
            venue.book(0.96, 0.98, after_s=2)
            assert (await socket.frame())["event_type"] == "price_change"
            venue.book(0.97, 0.98, after_s=3)
            change, *ticks = await socket.frames(3)
            books = await socket.frames(2)
        assert change["event_type"] == "price_change"
        assert [(t["event_type"], t["old_tick_size"], t["new_tick_size"]) for t in ticks] == [
            ("tick_size_change", "0.01", "0.001")
        ] * 2
        assert [(book["event_type"], book["tick_size"]) for book in books] == [("book", "0.001")] * 2

    with_venue(work)


def test_the_tick_stays_at_the_edge_when_that_is_wished_for() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.97, 0.98)
        assert (await venue.get(f"/tick-size?token_id={venue.up()}"))[1] == {"minimum_tick_size": 0.01}

    with_venue(work, ticks_change=False)
