"""All feeds of one bot together, before anything is opened."""

from pathlib import Path

from feeds.feed_fakes import Around, FakeConnection
from foresight.feeds.endpoints import local
from foresight.feeds.feeds import Feeds, Plan
from foresight.feeds.polybolt import Credentials
from foresight.secrets import Secret


def some_feeds(around: Around, folder: Path) -> Feeds:
    """Feeds of one slot, at a venue that is not there."""
    plan = Plan(
        slots=(("BTC", "5m"),),
        endpoints=local("http://127.0.0.1:1"),
        credentials=Credentials(Secret("key-1"), Secret("secret-1"), Secret("phrase-1")),
    )
    return Feeds(plan, now_ns=lambda: around.now_ns, rejects=folder, tell=around.told.append, spot=["BTC"])


def test_channels_that_hear_of_several_symbols_can_have_their_connections_renewed(tmp_path: Path) -> None:
    feeds = some_feeds(Around(), tmp_path)
    for line in feeds.lines:
        if line.channel.name in ("binance", "polybolt"):
            line.channel.renew(FakeConnection(7), "no data of BTC")
    assert {line.channel.name: line._renew for line in feeds.lines if line._renew} == {
        "binance": {7: "no data of BTC"},
        "polybolt": {7: "no data of BTC"},
    }
