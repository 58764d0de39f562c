"""Further topics between live code, feeds and engine, and in a bot whose market has no feeds."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from foresight.effects import Rebuild
from foresight.events import TopicsDeclared
from foresight.feeds.health import FeedsHealth
from foresight.markets import MINUTE_NS
from foresight.runtime.bot import Bot
from foresight.runtime.topics import Topics
from foresight.topics import TOPICS_MAX
from storms.bots import a_bot_folder, a_lockstep_bot
from tesseract import Request

AVAX = "binance:AVAXUSDT"
ETH = "binance:ETHUSDT"


class FakeFeeds:
    """Feeds that follow whatever they are asked for, and answer when the test says so."""

    def __init__(self) -> None:
        self.followed: set[str] = set()
        self.done: list[Callable[[str | None], None]] = []

    def series_of(self, name: str) -> str:
        return "ETH" if name == ETH else name

    def watch(self, names: Iterable[str], done: Callable[[str | None], None]) -> None:
        self.followed |= set(names)
        self.done.append(done)

    def watch_only(self, names: Iterable[str]) -> None:
        self.followed &= set(names)

    def health(self) -> FeedsHealth:
        raise NotImplementedError

    def rebuild(self, lost: Rebuild) -> None:
        raise NotImplementedError


class Told:
    """What the engine and the runtime were told, in order."""

    def __init__(self, feeds: FakeFeeds | None) -> None:
        self.words: list[object] = []
        self.topics = Topics(feeds, ("BTC", "ETH"), declare=self.declared, now_ns=lambda: 7)

    def declared(self, event: TopicsDeclared) -> None:
        assert event.at_ns == 7
        self.words.append(event.topics)

    def prepare(self, *needs: str) -> None:
        self.topics.prepare(needs, self.words.append)


def test_the_engine_learns_of_a_topic_before_the_feeds_bring_it() -> None:
    feeds = FakeFeeds()
    told = Told(feeds)
    told.prepare(AVAX, ETH)
    assert (told.words, feeds.followed) == ([((AVAX, AVAX), (ETH, "ETH"))], {AVAX, ETH})
    feeds.done[0](None)
    assert told.words[1:] == [None]


def test_what_is_prepared_comes_beside_what_is_there_and_the_rest_goes_when_it_is_told() -> None:
    feeds = FakeFeeds()
    told = Told(feeds)
    told.prepare(AVAX)
    told.prepare("binance:LINKUSDT")
    told.topics.only(("binance:LINKUSDT",))
    told.topics.only(("binance:LINKUSDT",))
    link = ("binance:LINKUSDT", "binance:LINKUSDT")
    assert told.words == [((AVAX, AVAX),), ((AVAX, AVAX), link), (link,)]
    assert feeds.followed == {"binance:LINKUSDT"}


def test_all_topics_together_have_a_limit_and_nothing_of_what_passes_it_is_followed() -> None:
    feeds = FakeFeeds()
    told = Told(feeds)
    names = [f"binance:X{number:02}USDT" for number in range(TOPICS_MAX + 1)]
    told.prepare(*names[:10])
    told.prepare(*names[10:-1])
    told.words.clear()
    told.prepare(names[-1])
    said = f"with those of what still runs it needs {TOPICS_MAX + 1} topics, over the limit of {TOPICS_MAX}"
    assert (told.words, len(feeds.followed)) == ([said], TOPICS_MAX)


def test_a_market_without_feeds_has_the_underlyings_that_it_makes_and_no_others() -> None:
    told = Told(None)
    told.prepare(ETH)
    assert told.words == [((ETH, "ETH"),), None]
    told.prepare(ETH, AVAX)
    assert told.words[2:] == [f"this market has no feed for {AVAX}; it makes the underlyings of BTC, ETH, nothing else"]


def declare(bot: Bot, *needs: str) -> None:
    """Deploys the same strategy with these needs."""
    path = bot.folder.strategy / "__init__.py"
    path.write_text(f"{path.read_text()}\nNEEDS = {needs!r}\n")
    bot.live.runtime.request(Request(id="needs", action="deploy", author="a test"))


def test_a_simulated_market_refuses_a_symbol_that_it_does_not_make(tmp_path: Path) -> None:
    with a_lockstep_bot(a_bot_folder(tmp_path)) as bot:
        declare(bot, AVAX)
        assert "v2 refused at prepare: this market has no feed for binance:AVAXUSDT" in bot.live.document().last_refusal
        assert bot.live.document().live == "v1"
        assert bot.engine.markets.topics == {}


def test_a_simulated_market_gives_the_underlying_of_another_slot(tmp_path: Path) -> None:
    with a_lockstep_bot(a_bot_folder(tmp_path)) as bot:
        declare(bot, ETH)
        assert bot.live.document().live == "v2"
        assert bot.engine.markets.topics == {ETH: "ETH"}
        bot.session.run_lockstep(bot.clock, bot.engine.start_ns + MINUTE_NS)  # type: ignore[arg-type]
        states = bot.engine.markets.slots.values()
        assert all(state.presence.counts().blind == 0 and state.presence.counts().done > 0 for state in states)
        series = bot.engine.markets.watched(ETH)
        assert series is bot.engine.markets.prices["ETH"]


@pytest.mark.parametrize("need", [AVAX, "binance-futures:AVAXUSDT"])
def test_a_start_with_a_symbol_that_is_not_there_runs_blind_and_says_so(tmp_path: Path, need: str) -> None:
    folder = a_bot_folder(tmp_path)
    path = folder / "strategy" / "__init__.py"
    path.write_text(f"{path.read_text()}\nNEEDS = ({need!r},)\n")
    with a_lockstep_bot(folder) as bot:
        bot.session.run_lockstep(bot.clock, bot.engine.start_ns + MINUTE_NS)  # type: ignore[arg-type]
        assert any("v1 starts without all that it needs" in notice.text for notice in bot.sink.notices)
        for state in bot.engine.markets.slots.values():
            counts = state.presence.counts()
            assert (counts.missed, counts.blind) == (0, counts.due)
            assert state.note == f"blind: {need}"
