"""Markets as Gamma shows them: rows a day ahead, closed and paid out after their resolution (venue spec §3, §13.3)."""

import json

import msgspec

from foresight.money import MICROS
from foresight.venue import wording
from foresight.venue.clob_frames import FEE_SCHEDULE
from foresight.venue.decimals import decimal_text
from foresight.venue.documents import Document, closed_time, iso
from foresight.venue.listings import Listing
from foresight.venue.prices import AssetPrices
from foresight.venue.settings import VenueSettings

_CREATED_DELAY_NS = 60_000_000_000


class GammaView(msgspec.Struct, frozen=True):
    """The moment at which a row is shown. `is_stale`: a fault holds `closed` back; `is_without_metadata`: another
    leaves `eventMetadata` out."""

    settings: VenueSettings
    now_ns: int
    is_stale: bool = False
    is_without_metadata: bool = False


def market(listing: Listing, view: GammaView) -> Document:
    """One market object (venue spec §3.3)."""
    identity, noun = listing.identity, listing.market
    is_closed = _is_closed(listing, view)
    told: Document = {
        "id": identity.gamma_id,
        "question": wording.question(noun),
        "conditionId": identity.gamma_condition,
        "slug": listing.slug,
        "resolutionSource": f"https://data.chain.link/streams/{noun.asset.lower()}-usd-twap-60s-streams",
        "description": wording.description(noun),
        "version": identity.version,
        "questionID": identity.question_id,
        "outcomes": '["Up", "Down"]',
        "outcomePrices": _outcome_prices(listing, is_closed=is_closed),
        "startDate": iso(listing.listed_ns + _CREATED_DELAY_NS),
        "eventStartTime": iso(noun.start_ns),
        "endDate": iso(noun.end_ns),
        "active": True,
        "closed": is_closed,
        "archived": False,
        "acceptingOrders": not is_closed and view.now_ns < noun.end_ns + view.settings.accepts_after_ns,
        "enableOrderBook": True,
        "negRisk": False,
        "orderPriceMinTickSize": listing.tick_micros / MICROS,
        "orderMinSize": noun.min_shares_micros // MICROS,
        "feesEnabled": True,
        "feeType": "crypto_fees_v2",
        "feeSchedule": FEE_SCHEDULE,
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "cryptoMarketConfig": {
            "id": f"{noun.slot}-twap-60",
            "asset": noun.asset.lower(),
            "duration": noun.timeframe,
            "twapEnabled": True,
            "twapLookbackSeconds": 60,
        },
        "volume": decimal_text(listing.volume_micros),
        "volumeNum": listing.volume_micros / MICROS,
        "liquidity": decimal_text(_liquidity(listing)),
        "liquidityNum": _liquidity(listing) / MICROS,
    }
    return told | _ids(listing) | _cached_prices(listing) | _ending(listing, is_closed=is_closed)


def event(listing: Listing, prices: AssetPrices, view: GammaView) -> Document:
    """The event around a market; `eventMetadata` appears late, and only where the prices are known."""
    row = market(listing, view)
    told: Document = {
        "id": listing.identity.event_id,
        "ticker": listing.slug,
        "slug": listing.slug,
        "title": row["question"],
        "description": row["description"],
        "resolutionSource": row["resolutionSource"],
        "startDate": row["startDate"],
        "startTime": row["eventStartTime"],
        "endDate": row["endDate"],
        "active": True,
        "closed": row["closed"],
        "archived": False,
        "negRisk": False,
        "enableOrderBook": True,
        "seriesSlug": series_slug(listing),
        "markets": [row],
    }
    metadata = {} if view.is_without_metadata else _metadata(listing, prices, view)
    return told | ({"eventMetadata": metadata} if metadata else {})


def series_slug(listing: Listing) -> str:
    """`btc-up-or-down-5m`."""
    return f"{listing.market.asset.lower()}-up-or-down-{listing.market.timeframe}"


def is_listed(listing: Listing, now_ns: int) -> bool:
    """Whether the row exists yet."""
    return listing.listed_ns <= now_ns


def final_price(listing: Listing, prices: AssetPrices) -> float | None:
    """The average stamped at the window's end. Where a fault has named a winner that it contradicts, the official
    price is moved past the price to beat, for the official data agree with themselves."""
    beat, final = prices.boundary(listing.market.start_ns), prices.boundary(listing.market.end_ns)
    if beat is None or final is None or listing.winner is None:
        return final
    agrees = (final >= beat) == (listing.winner == "UP")
    return final if agrees else round(2 * beat - final, 8) if final != beat else beat * (1 - 1e-6)


def _is_closed(listing: Listing, view: GammaView) -> bool:
    return listing.winner is not None and not view.is_stale


def _metadata(listing: Listing, prices: AssetPrices, view: GammaView) -> Document:
    told: Document = {}
    beat = prices.boundary(listing.market.start_ns)
    if beat is not None and view.now_ns >= listing.market.start_ns + view.settings.beat_told_after_ns:
        told["priceToBeat"] = beat
    final = final_price(listing, prices)
    is_due = listing.winner is not None and view.now_ns >= listing.resolved_ns + view.settings.final_told_after_ns
    if final is not None and is_due and not view.is_stale:
        told["finalPrice"] = final
    return told


def _ids(listing: Listing) -> Document:
    tokens = list(listing.identity.tokens)
    if listing.identity.version == "v1":
        return {"clobTokenIds": json.dumps(tokens)}
    return {"clobTokenIds": None, "positionIds": tokens}


def _outcome_prices(listing: Listing, *, is_closed: bool) -> str:
    if is_closed:
        return '["1", "0"]' if listing.winner == "UP" else '["0", "1"]'
    bid, ask = listing.ladder.best("UP")
    middle = MICROS // 2 if bid is None and ask is None else ((bid or 0) + (MICROS if ask is None else ask)) // 2
    return json.dumps([decimal_text(middle), decimal_text(MICROS - middle)])


def _cached_prices(listing: Listing) -> Document:
    bid, ask = listing.ladder.best("UP")
    last = listing.last_price("UP")
    bid_or_edge, ask_or_edge = bid or 0, MICROS if ask is None else ask
    told: Document = {
        "bestBid": bid_or_edge / MICROS,
        "bestAsk": ask_or_edge / MICROS,
        "spread": (ask_or_edge - bid_or_edge) / MICROS,
    }
    return told | ({} if last is None else {"lastTradePrice": last / MICROS})


def _liquidity(listing: Listing) -> int:
    sides = (*listing.ladder.bids.items(), *((MICROS - price, size) for price, size in listing.ladder.asks.items()))
    return sum(price * size // MICROS for price, size in sides)


def _ending(listing: Listing, *, is_closed: bool) -> Document:
    status = "umaResolutionStatus" if listing.identity.version == "v1" else "resolutionStatus"
    if is_closed:
        return {status: "resolved", "closedTime": closed_time(listing.resolved_ns), "automaticallyResolved": True}
    return {} if listing.identity.version == "v1" else {status: "active"}
