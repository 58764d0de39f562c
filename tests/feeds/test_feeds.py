"""All feeds of one bot together, before anything is opened."""

from pathlib import Path

import pytest

from builders import NOON_NS, a_market, windows_of
from feeds.feed_fakes import Around, FakeConnection, a_listing
from foresight.events import Spot
from foresight.feeds.endpoints import local
from foresight.feeds.feeds import LISTEN_ON_NS, Feeds, Plan
from foresight.feeds.intake import CONFLATE_AT
from foresight.feeds.polybolt import Credentials
from foresight.markets import MINUTE_NS, SECOND_NS, Token
from foresight.secrets import Secret


def some_feeds(around: Around, folder: Path) -> Feeds:
    """Feeds of one slot, at a venue that is not there."""
    plan = Plan(
        slots=(("BTC", "5m"),),
        endpoints=local("http://127.0.0.1:1"),
        credentials=lambda: Credentials(Secret("key-1"), Secret("secret-1"), Secret("phrase-1")),
    )
    return Feeds(
        plan,
        now_ns=lambda: around.now_ns,
        way_ns=2 * SECOND_NS,
        rejects=folder,
        tell=around.told.append,
        spot=["BTC"],
    )


def test_channels_that_hear_of_several_symbols_can_have_their_connections_renewed(tmp_path: Path) -> None:
    feeds = some_feeds(Around(), tmp_path)
    for line in feeds.lines:
        if line.channel.name in ("binance", "polybolt"):
            line.channel.renew(FakeConnection(7), "no data of BTC")
    assert {line.channel.name: line._renew for line in feeds.lines if line._renew} == {
        "binance": {7: "no data of BTC"},
        "polybolt": {7: "no data of BTC"},
    }


def listened_to(feeds: Feeds) -> set[Token]:
    return set(feeds._clob.wanted)


@pytest.mark.parametrize(("after_ns", "listens"), [(LISTEN_ON_NS, True), (LISTEN_ON_NS + 1, False)])
def test_a_market_without_a_winner_is_listened_to_for_ten_minutes_and_asked_for_all_the_same(
    tmp_path: Path, after_ns: int, listens: bool
) -> None:
    around = Around()
    feeds = some_feeds(around, tmp_path)
    ended = a_market()
    feeds._listed(a_listing(ended))
    around.now_ns = ended.end_ns + after_ns
    fresh = a_market(start_ns=ended.end_ns + 15 * MINUTE_NS)
    feeds._listed(a_listing(fresh))
    assert listened_to(feeds) == {fresh.up, fresh.down} | ({ended.up, ended.down} if listens else set())
    assert feeds.resolving.waiting == 1


def test_a_day_without_winners_does_not_fill_the_connection(tmp_path: Path) -> None:
    around = Around()
    feeds = some_feeds(around, tmp_path)
    for market in windows_of("BTC", "5m", NOON_NS, NOON_NS + 24 * 60 * MINUTE_NS):
        around.now_ns = market.start_ns
        feeds._listed(a_listing(market))
        assert len(feeds._clob.wanted) <= 2 * 4
    assert feeds.resolving.waiting == 24 * 12 - 1


def test_an_engine_that_cannot_keep_up_is_said_while_it_is_so(tmp_path: Path) -> None:
    around = Around()
    feeds = some_feeds(around, tmp_path)

    def about_the_engine() -> list[str]:
        return [sentence for sentence in feeds.problems() if sentence.startswith("the engine")]

    for number in range(CONFLATE_AT + 1):
        feeds.intake.put(Spot(around.now_ns, "BTC", "binance", 100.0 + number, around.now_ns))
    assert about_the_engine() == [
        f"the engine cannot keep up: {feeds.intake.conflated} market events were joined with newer ones so far"
    ]
    around.now_ns += 300_000_000
    assert about_the_engine()[0].startswith("the engine is 300 ms behind its feeds, ")
    assert list(feeds.intake)
    around.now_ns += 11 * SECOND_NS
    assert about_the_engine() == []
