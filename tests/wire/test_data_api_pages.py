"""The Data API's pages: public trades and resolutions, each row for itself, and the cursor to the next."""

import pytest
from wire_frames import COND, SLUG, T0_NS, UP, Rejects, a_resolutions_page, a_trades_page, frame

from foresight.events import NO_STAMP
from foresight.markets import Token
from foresight.wire import data_api
from foresight.wire.data_api import PublicTrade, Resolution


def test_a_page_of_trades_is_read_with_its_cursor() -> None:
    rejects = Rejects()
    page = data_api.decode_trades(frame(a_trades_page(cursor="abc")), rejects)

    trade = PublicTrade(
        wallet="0x00000000000000000000000000000000000000a1", token=Token(UP), condition=COND, slug=SLUG, outcome="Up",
        is_buy=True, price_micros=530_000, size_micros=9_430_000, traded_ns=T0_NS + 3 * 10**9, transaction="0x..",
    )  # fmt: skip
    assert page == data_api.TradesPage((trade,), "abc")
    assert not rejects.kinds
    last = data_api.decode_trades(frame(a_trades_page()), rejects)
    assert last is not None
    assert last.cursor is None
    assert data_api.decode_trades(b'{"data":[]}', rejects) == data_api.TradesPage((), None)


def test_an_average_price_is_rounded_to_the_nearest_micro() -> None:
    rejects = Rejects()
    row = {
        "token_id": UP, "condition_id": COND, "side": "SELL", "size": 13.793100000000001, "price": 0.5266666666666667,
        "timestamp": 1795177803,
    }  # fmt: skip

    page = data_api.decode_trades(frame(a_trades_page(row)), rejects)

    assert page is not None
    assert (page.trades[1].price_micros, page.trades[1].size_micros) == (526_667, 13_793_100)


def test_a_bad_row_costs_only_itself() -> None:
    rejects = Rejects()
    good = {"token_id": UP, "condition_id": COND, "side": "BUY", "size": 1, "price": 0.5, "timestamp": 1795177803}
    bad = [good | change for change in ({"price": 1}, {"size": -1}, {"side": ""}, {"timestamp": -1}, {"token_id": 5})]

    page = data_api.decode_trades(frame(a_trades_page(*bad, good)), rejects)

    assert page is not None
    assert len(page.trades) == 2
    assert rejects.kinds == {
        "data-trades/bad-price": 1, "data-trades/bad-size": 1, "data-trades/bad-side": 1, "data-trades/bad-stamp": 1,
        "data-trades/bad-shape": 1,
    }  # fmt: skip


RESOLVED_S = 1795178160


@pytest.mark.parametrize(
    ("told", "resolved_ns"),
    [
        (RESOLVED_S, RESOLVED_S * 10**9),
        (RESOLVED_S * 1000, RESOLVED_S * 10**9),
        (str(RESOLVED_S), RESOLVED_S * 10**9),
        ("2026-11-20T12:36:00Z", RESOLVED_S * 10**9),
        (None, NO_STAMP),
        ("", NO_STAMP),
    ],
)
def test_a_resolution_is_read_whatever_the_unit_of_its_time(told: object, resolved_ns: int) -> None:
    rejects = Rejects()

    page = data_api.decode_resolutions(frame(a_resolutions_page(resolved_at=told)), rejects)

    resolution = Resolution(COND, "resolved", (1_000_000, 0), resolved_ns, "CHAINLINK")
    assert page == data_api.ResolutionsPage((resolution,), None)
    assert not rejects.kinds


def test_before_the_end_there_are_no_payouts() -> None:
    page = data_api.decode_resolutions(frame(a_resolutions_page(status="proposed", payouts=None)), Rejects())

    assert page is not None
    assert (page.resolutions[0].status, page.resolutions[0].payouts) == ("proposed", ())


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"payouts": [1_000_001, 0]}, "bad-payouts"),
        ({"payouts": [1_000_000]}, "bad-payouts"),
        ({"payouts": [-1, 0]}, "bad-payouts"),
        ({"payouts": ["1", "0"]}, "bad-shape"),
        ({"resolved_at": "soon"}, "bad-shape"),
        ({"resolved_at": "9" * 10_000}, "bad-stamp"),
        ({"resolved_at": "2026-11-20T12:36:00"}, "bad-stamp"),
    ],
)
def test_a_wrong_resolution_is_rejected_by_kind(changed: dict[str, object], kind: str) -> None:
    rejects = Rejects()

    page = data_api.decode_resolutions(frame(a_resolutions_page(**changed)), rejects)

    assert page == data_api.ResolutionsPage((), None)
    assert rejects.kinds == {f"data-resolutions/{kind}": 1}


def test_what_is_no_page_is_none_and_told() -> None:
    rejects = Rejects()

    assert data_api.decode_trades(b"[]", rejects) is None
    assert data_api.decode_resolutions(b"no", rejects) is None
    assert rejects.kinds == {"data-trades/bad-shape": 1, "data-resolutions/not-json": 1}
