"""The names of further topics: which are known, and what is said of the others."""

import pytest

from foresight.topics import ADAPTERS, TOPICS_MAX, Topic, made_by, problems_of, topic_of, traded_asset


@pytest.mark.parametrize("name", ["binance:AVAXUSDT", "binance-futures:HYPEUSDT", "binance:1INCHUSDT", "binance:AB"])
def test_a_name_of_a_known_adapter_and_a_symbol_is_a_topic(name: str) -> None:
    assert problems_of([name]) == []
    assert topic_of(name).name == name


def test_a_name_has_an_adapter_and_a_symbol() -> None:
    assert topic_of("binance-futures:HYPEUSDT") == Topic("binance-futures", "HYPEUSDT")


@pytest.mark.parametrize("name", ["kraken:AVAXUSD", "AVAXUSDT", "Binance:AVAXUSDT", ":AVAXUSDT", " binance:AVAXUSDT"])
def test_another_adapter_needs_a_handover_and_those_that_there_are_are_listed(name: str) -> None:
    (problem,) = problems_of([name])
    assert problem.startswith(f"needs handover: there is no adapter for {name!r}")
    assert all(f"{adapter}:SYMBOL" in problem for adapter in ADAPTERS)


@pytest.mark.parametrize("symbol", ["", "A", "avaxusdt", "AVAX-USDT", "AVAX/USDT", "A" * 21, "AVAXUSDT@depth", "ÄVAX"])
def test_what_is_no_symbol_is_told_with_one_that_is(symbol: str) -> None:
    (problem,) = problems_of([f"binance:{symbol}"])
    assert "names no symbol, which is 2 to 20 capital letters and digits: binance:AVAXUSDT" in problem


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of(["kraken:X", "binance:x", "binance:AVAXUSDT"])) == 2


def test_a_release_may_have_so_many_topics_and_no_more() -> None:
    names = [f"binance:X{number:02}USDT" for number in range(TOPICS_MAX + 1)]
    assert problems_of(names[:-1]) == []
    assert problems_of(names) == [f"{TOPICS_MAX + 1} topics are over the limit of {TOPICS_MAX}"]


def test_a_topic_is_a_traded_asset_by_its_whole_symbol() -> None:
    assert traded_asset("binance:ETHUSDT", ["BTC", "ETH"]) == "ETH"
    assert traded_asset("binance:ETHUSDC", ["BTC", "ETH"]) is None
    assert traded_asset("binance:BETHUSDT", ["BTC", "ETH"]) is None


def test_a_market_without_feeds_makes_the_topics_of_its_assets_alone() -> None:
    assert made_by(["binance:ETHUSDT", "binance:AVAXUSDT"], ["BTC", "ETH"]) == (("binance:ETHUSDT", "ETH"),)
