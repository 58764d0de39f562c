"""Which market a Gamma object is: by version, by label, by the rule that settles it; else a reason and no market."""

import json

import pytest
from wire_frames import COND, DOWN, SLUG, T0_NS, T0_S, UP, a_listing, frame

from foresight.markets import Market, MarketId, Token
from foresight.wire import gamma
from foresight.wire.gamma import EventPrices, Listing, NotYet, Refused

V2_UP = "611952677495007466622732687316135542423072062535834517853529104477912193536"
V2_CONDITION = "0x015a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a00000000000000005a5a5a5a"
V2_DOWN = str(int(V2_UP) + 1)


def decoded(**changed: object) -> gamma.Answer:
    return gamma.decode_market(frame(a_listing(**changed)), SLUG)


def listing(**changed: object) -> Listing:
    answer = decoded(**changed)
    assert isinstance(answer, Listing), answer
    return answer


def a_v2_listing(**changed: object) -> dict[str, object]:
    return a_listing(
        **{"version": "v2", "conditionId": V2_CONDITION, "clobTokenIds": None, "positionIds": [V2_UP, V2_DOWN]}
        | changed
    )


def test_a_market_of_today_is_listed_with_all_that_trades_and_settles_it() -> None:
    market = Market(
        market_id=MarketId(SLUG), asset="BTC", timeframe="5m", start_ns=T0_NS, end_ns=T0_NS + 300 * 10**9,
        up=Token(UP), down=Token(DOWN), source="polymarket", tick_micros=10_000, min_shares_micros=5_000_000,
        min_notional_micros=1_000_000, fee_rate_micros=70_000, taker_delay_ns=150_000_000, settles_on="twap60",
        fills="book",
    )  # fmt: skip

    assert decoded() == Listing(
        market=market, condition=COND, version="v1", closed=False, accepting=True, prices=(0.505, 0.495)
    )


def test_the_version_decides_which_ids_count_even_when_both_are_there() -> None:
    both = {"clobTokenIds": json.dumps([UP, DOWN]), "positionIds": [V2_UP, V2_DOWN]}

    first, second = listing(**both), gamma.decode_market(frame(a_v2_listing(**both)), SLUG)

    assert (first.market.up, first.market.down) == (UP, DOWN)
    assert isinstance(second, Listing)
    assert (second.version, second.market.up, second.market.down) == ("v2", V2_UP, V2_DOWN)


@pytest.mark.parametrize("condition", [V2_CONDITION, V2_CONDITION + "00", V2_CONDITION.upper().replace("0X", "0x")])
def test_a_v2_condition_of_62_or_64_digits_becomes_the_clobs_form(condition: str) -> None:
    answer = gamma.decode_market(frame(a_v2_listing(conditionId=condition)), SLUG)

    assert isinstance(answer, Listing)
    assert answer.condition == V2_CONDITION + "00"


def test_the_helpers_of_v2_agree_with_the_specifications_vectors() -> None:
    assert gamma.is_v2_id(int(V2_UP))
    assert not gamma.is_v2_id(int(UP))
    assert gamma.condition_of_v2(int(V2_UP)) == gamma.condition_of_v2(int(V2_DOWN)) == V2_CONDITION + "00"
    assert gamma.padded_condition(COND) == COND
    assert gamma.padded_condition(COND[:-1]) is None


def test_outcomes_are_told_apart_by_label_and_not_by_position() -> None:
    turned = listing(outcomes='["Down", "Up"]', outcomePrices='["0", "1"]', closed=True)

    assert (turned.market.up, turned.market.down) == (DOWN, UP)
    assert (turned.prices, turned.resolved) == ((1.0, 0.0), "UP")


def test_a_closed_market_has_a_winner_only_when_one_outcome_pays_all() -> None:
    assert listing(closed=True, outcomePrices='["0", "1"]').resolved == "DOWN"
    assert listing(closed=True, outcomePrices='["0.5", "0.5"]').resolved is None
    assert listing(closed=True, outcomePrices='["0.999", "0.001"]').resolved is None
    assert listing(closed=True, outcomePrices='["0.0000004113679809846", "0.9999995886320190154"]').resolved is None
    assert listing(closed=False, outcomePrices='["1", "0"]').resolved is None
    assert listing(closed=True, outcomePrices=None).prices is None


def test_the_official_prices_come_from_the_events_metadata_of_the_same_slug() -> None:
    metadata = {"priceToBeat": 81201.5, "finalPrice": 81215.1}
    told = listing(events=[{"slug": SLUG, "eventMetadata": metadata}])
    other = listing(events=[{"slug": "another", "eventMetadata": metadata}, {"slug": SLUG}])

    assert (told.price_to_beat, told.final_price) == (81201.5, 81215.1)
    assert (other.price_to_beat, other.final_price) == (None, None)
    event = {"slug": SLUG, "markets": [], "eventMetadata": metadata}
    assert gamma.decode_event(frame(event)) == EventPrices(SLUG, 81201.5, 81215.1)
    assert gamma.decode_event(frame([event | {"eventMetadata": None}])) == EventPrices(SLUG)
    assert isinstance(gamma.decode_event(b"[]"), Refused)
    assert isinstance(gamma.decode_event(b'{"type":"not found error"}'), Refused)
    assert isinstance(gamma.decode_event(frame({"slug": SLUG, "eventMetadata": {"priceToBeat": -1}})), Refused)


def test_a_market_whose_ids_are_not_there_yet_is_asked_for_again() -> None:
    for missing in (None, "", "[]"):
        assert isinstance(decoded(clobTokenIds=missing), NotYet)
    for missing_ids in (None, []):
        answer = gamma.decode_market(
            frame(a_v2_listing(positionIds=missing_ids, clobTokenIds=json.dumps([UP, DOWN]))), SLUG
        )
        assert answer == NotYet("no outcome ids of v2 yet", SLUG)
    assert isinstance(decoded(conditionId=None), NotYet)
    assert isinstance(decoded(orderMinSize=None), NotYet)
    assert isinstance(decoded(eventStartTime=None), NotYet)


def test_an_answer_that_was_cut_off_is_no_verdict() -> None:
    whole = frame(a_listing())

    assert isinstance(gamma.decode_market(whole[:-20], SLUG), NotYet)
    assert isinstance(gamma.decode_market(b"<html>", SLUG), NotYet)
    assert isinstance(gamma.decode_market(whole, SLUG), Listing)


CONFIG = {"asset": "btc", "duration": "5m", "twapEnabled": True, "twapLookbackSeconds": 60}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": None}, "version"),
        ({"version": "v3"}, "version"),
        ({"version": 1}, "bad-shape"),
        ({"outcomes": '["Yes", "No"]'}, "outcomes"),
        ({"outcomes": '["Up", "Down", "Up"]'}, "outcomes"),
        ({"outcomes": None}, "outcomes"),
        ({"clobTokenIds": json.dumps([UP])}, "ids"),
        ({"clobTokenIds": json.dumps([UP, UP])}, "ids"),
        ({"clobTokenIds": json.dumps([UP, "0" + UP])}, "ids"),
        ({"clobTokenIds": json.dumps([UP, DOWN, "7"])}, "ids"),
        ({"clobTokenIds": json.dumps([UP, "0xab"])}, "bad-token"),
        ({"clobTokenIds": json.dumps([UP, 5])}, "bad-shape"),
        ({"conditionId": COND[:-2]}, "condition"),
        ({"conditionId": "0xzz"}, "condition"),
        ({"feeSchedule": {"exponent": 2, "rate": 0.07}}, "fee"),
        ({"feeSchedule": {"exponent": 1, "rate": 1.1}}, "fee"),
        ({"feeSchedule": {"exponent": 1, "rate": -0.1}}, "bad-fee"),
        ({"feeSchedule": None}, "fee"),
        ({"cryptoMarketConfig": None}, "settlement"),
        ({"cryptoMarketConfig": CONFIG | {"twapLookbackSeconds": 30}}, "settlement"),
        ({"cryptoMarketConfig": CONFIG | {"twapEnabled": False}}, "settlement"),
        ({"cryptoMarketConfig": CONFIG | {"asset": "eth"}}, "settlement"),
        ({"cryptoMarketConfig": CONFIG | {"duration": "15m"}}, "settlement"),
        ({"eventStartTime": "2026-11-20T12:29:59Z"}, "window"),
        ({"endDate": "2026-11-20T12:45:00Z"}, "window"),
        ({"endDate": "2026-11-20T12:35:00"}, "bad-stamp"),
        ({"negRisk": True}, "negative-risk"),
        ({"orderPriceMinTickSize": 1}, "bad-tick"),
        ({"orderPriceMinTickSize": 1e-7}, "bad-tick"),
        ({"orderMinSize": -5}, "bad-size"),
        ({"outcomePrices": '["2", "0"]'}, "bad-price"),
        ({"outcomePrices": '["NaN", "0"]'}, "bad-price"),
        ({"outcomePrices": '["1"]'}, "bad-price"),
        ({"outcomePrices": '["much", "0"]'}, "bad-shape"),
        ({"slug": "btc-updown-5m-1795177500"}, "slug"),
    ],
)
def test_a_market_that_is_not_as_we_know_them_is_refused_with_a_reason(changed: dict[str, object], why: str) -> None:
    answer = decoded(**changed)

    assert isinstance(answer, Refused)
    assert answer.why.startswith(f"{why}: ")
    assert answer.slug == SLUG


def test_the_same_moment_in_another_zone_is_the_same_window() -> None:
    assert listing(eventStartTime="2026-11-20T07:30:00-05:00").market.start_ns == T0_NS


def test_an_array_of_markets_is_answered_one_by_one() -> None:
    other = a_listing(slug="what-else")

    answers = gamma.decode_markets(frame([a_listing(), other, 5]))

    assert [type(answer) for answer in answers] == [Listing, Refused, Refused]
    assert isinstance(answers[1], Refused)
    assert answers[1].slug == "what-else"
    assert gamma.decode_markets(b"[]") == []
    assert [type(answer) for answer in gamma.decode_markets(b"no")] == [NotYet]


def test_slugs_follow_the_arithmetic_of_the_specification() -> None:
    now_s = 1795177999

    starts = gamma.window_start_s(now_s, "5m"), gamma.window_start_s(now_s, "15m")

    assert gamma.slug_of("BTC", "5m", starts[0]) == "btc-updown-5m-1795177800"
    assert gamma.slug_of("BTC", "5m", starts[0] + 300) == "btc-updown-5m-1795178100"
    assert gamma.slug_of("BTC", "15m", starts[1]) == "btc-updown-15m-1795177800"
    assert gamma.window_start_s(T0_S, "5m") == T0_S
    assert gamma.window_start_s(T0_S - 1, "5m") == T0_S - 300
    assert gamma.parse_slug("hype-updown-15m-1795177800") == gamma.Window("HYPE", "15m", T0_S)


@pytest.mark.parametrize(
    "slug",
    [
        "btc-updown-4h-1795177800", "btc-updown-5m-1795177801", "btc-updown-15m-1795178100", "btc-updown-5m-0",
        "BTC-updown-5m-1795177800", "btc-updown-5m-1795177800 ", "bitcoin-up-or-down-on-november-20-2026", "",
    ],
)  # fmt: skip
def test_a_slug_that_is_no_window_of_ours_is_none(slug: str) -> None:
    assert gamma.parse_slug(slug) is None
