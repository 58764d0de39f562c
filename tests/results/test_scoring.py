"""The counting rules: what one trade is, which ones count, and their score worked out by hand."""

from typing import Any

import pytest

from foresight.ledger import Position, Trade
from foresight.markets import MINUTE_NS, SECOND_NS, Market, MarketId, Token
from foresight.money import MICROS, cost_of, fee_of
from foresight.results.collecting import Look
from foresight.results.labels import Label
from foresight.results.scoring import brier, count_trades, score, scored_again

START_NS = 1_760_000_400 * SECOND_NS
END_NS = START_NS + 15 * MINUTE_NS
SHARES = 10 * MICROS


def a_label(**changes: Any) -> Label:
    market = Market(
        market_id=MarketId("m1"),
        asset="BTC",
        timeframe="15m",
        start_ns=changes.pop("start_ns", START_NS),
        end_ns=changes.pop("end_ns", END_NS),
        up=Token("m1:UP"),
        down=Token("m1:DOWN"),
        source="paper",
    )
    return Label(**{"market": market, "outcome": "UP", "outcome_source": "official", "second": None} | changes)


def a_trade(
    *, market: str = "m1", price: float = 0.9, won: bool = True, left_s: float = 300, name: str = "t1"
) -> Trade:
    """Ten shares of UP at 90 cents, held to settlement: 9 dollars and a fee of 6.3 cents."""
    price_micros = 900_000
    cost, fee = cost_of(price_micros, SHARES), fee_of(price_micros, SHARES, 70_000)
    payout = SHARES if won else 0
    position = Position(
        trade_id=name,
        market_id=MarketId(market),
        slot="btc-15m",
        outcome="UP",
        opened_ns=END_NS - round(left_s * SECOND_NS),
        shares_micros=SHARES,
        cost_micros=cost,
        bought_shares_micros=SHARES,
        bought_micros=cost,
        sold_micros=0,
        fees_micros=fee,
        realised_micros=payout - cost - fee,
        release="v1",
        revision=1,
        source="paper",
        assumed=(),
    )
    return Trade(
        position=position,
        closed_ns=END_NS + MINUTE_NS,
        closed_by="settlement",
        winner="UP" if won else "DOWN",
        settled_by="official",
        payout_micros=payout,
        pnl_micros=payout - cost - fee,
    )


def a_look(**changes: Any) -> Look:
    plain = {"source": "paper", "market_id": "m1", "slot": "btc-15m", "due_ns": 0, "seconds_left": 300.0}
    return Look(**plain | {"fair": 0.8, "up_mid": 0.7, "is_on_event": False} | changes)


LABELS = {("paper", MarketId("m1")): a_label(), ("paper", MarketId("m2")): a_label()}


def test_a_win_and_a_loss_are_scored_as_by_hand():
    trades = [a_trade(), a_trade(market="m2", won=False, name="t2")]
    found = score(count_trades(trades, LABELS).trades)
    assert (found.trades, found.wins, found.win_rate) == (2, 1, 0.5)
    assert found.break_even == pytest.approx(0.9063)
    assert found.edge_cents == pytest.approx((9.37 - 90.63) / 2)
    assert found.pnl == pytest.approx(0.937 - 9.063)
    assert found.fees == pytest.approx(0.126)


def test_two_trades_in_the_same_window_of_time_are_one_cluster():
    found = score(count_trades([a_trade(), a_trade(market="m2", name="t2")], LABELS).trades)
    assert (found.clusters, found.effective_trades) == (1, 1.0)


def test_no_trade_has_no_rate():
    found = score([])
    assert (found.trades, found.wins, found.pnl) == (0, 0, 0.0)
    assert found.win_rate is found.win_rate_interval is found.break_even is None
    assert found.edge_cents is found.edge_interval is None


def test_only_the_first_trade_of_a_window_counts():
    later, first = a_trade(left_s=100, won=False, name="t2"), a_trade(left_s=200)
    counted = count_trades([later, first], LABELS)
    assert [each.trade for each in counted.trades] == [first]
    assert counted.repeated == 1


def test_a_profit_of_nothing_is_no_win():
    trade = a_trade()
    nothing = Trade(**{name: getattr(trade, name) for name in trade.__struct_fields__} | {"pnl_micros": 0})
    assert score(count_trades([nothing], LABELS).trades).wins == 0


@pytest.mark.parametrize(("left_s", "is_out"), [(60.0, True), (60.001, False)])
def test_a_quote_labelled_trade_of_the_last_minute_stays_out_of_the_headline(left_s, is_out):
    labels = {("paper", MarketId("m1")): a_label(outcome_source="final_quote>=0.9_last10s")}
    counted = count_trades([a_trade(left_s=left_s)], labels)
    assert counted.trades[0].is_late_and_circular is is_out


def test_a_trade_with_another_label_may_be_as_late_as_it_likes():
    assert not count_trades([a_trade(left_s=5)], LABELS).trades[0].is_late_and_circular


def test_a_quote_labelled_trade_is_scored_again_by_the_other_venues_move():
    labels = {("paper", MarketId("m1")): a_label(outcome_source="final_quote_last60s", second="DOWN")}
    again = scored_again(count_trades([a_trade()], labels).trades)
    assert [each.trade.pnl_micros for each in again] == [-9_063_000]
    assert scored_again(count_trades([a_trade()], LABELS).trades) == []


def test_the_brier_scores_are_mean_squares_over_the_same_evaluations():
    looks = [
        a_look(),
        a_look(fair=0.4, up_mid=0.5),
        a_look(fair=None),
        a_look(up_mid=None),
        a_look(is_on_event=True),
    ]
    found = brier(looks, LABELS)
    assert (found.n, found.windows) == (2, 1)
    assert found.strategy == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert found.market == pytest.approx((0.3**2 + 0.5**2) / 2)


def test_a_window_that_nobody_resolved_has_no_brier_score():
    labels = {("paper", MarketId("m1")): a_label(outcome=None)}
    assert brier([a_look()], labels).n == 0


@pytest.mark.parametrize(("left_s", "n"), [(60.0, 0), (60.5, 1)])
def test_the_last_minute_of_a_quote_labelled_window_has_no_brier_score(left_s, n):
    labels = {("paper", MarketId("m1")): a_label(outcome_source="final_quote_last60s")}
    assert brier([a_look(seconds_left=left_s)], labels).n == n
