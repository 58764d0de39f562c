"""The venue's state: market events in, what the venue says unasked out. It reads no clock and knows no sockets.

Books are kept per condition. Where a source tells both outcomes, Up leads: what it tells of Down counts, side by side,
only while Up's mirror of that side has not been told for five seconds, for recorded pollers asked for one outcome after
the other. Windows are listed a day ahead, stay open to orders a while after their end, and are resolved when the source
says so (venue spec §13.3).
"""

from collections import Counter

from foresight.events import NOT_TOLD, Depth, Listed, MarketEvent, Printed, Quote, Reference, Resolved, Spot
from foresight.markets import SECOND_NS, Outcome
from foresight.money import MICROS
from foresight.venue import clob_frames, wording
from foresight.venue.exchange import TENTH_NS, Exchange
from foresight.venue.flickering import Flickering
from foresight.venue.frames import Frame, PriceEvent
from foresight.venue.ladders import Level, mirrored
from foresight.venue.listings import Listing, Listings, Trade
from foresight.venue.prices import BOUNDARY_NS, AssetPrices, Price
from foresight.venue.settings import VenueSettings

ASSUMED_SHARES_MICROS = 100 * MICROS
"""The size of a recorded quote whose source tells none."""
UP_LEADS_NS = 5 * SECOND_NS
FINE_TICK_MICROS = 1_000
_TICK_LOW, _TICK_HIGH = 40_000, 960_000
ASSUMPTIONS = (
    "the exchange's sizes, trades and book follow from its price",
    "price.crypto is the exchange's price times the ratio of the oracle's average to the exchange's",
    f"a quote without a size has {ASSUMED_SHARES_MICROS // MICROS} shares",
    "Up's books lead; what is told of Down counts where Up was silent for 5 s",
)
"""What no source tells and the venue makes up; `/control/status` shows it."""


class VenueState:
    """`watched_tokens` counts the connections that listen to a token; who serves them keeps it."""

    def __init__(self, settings: VenueSettings, *, slots: tuple[tuple[str, str], ...], by_arithmetic: bool) -> None:
        self.settings = settings
        self.exchange = Exchange()
        self.prices: dict[str, AssetPrices] = {}
        self.watched_tokens: Counter[str] = Counter()
        self.listings = Listings(slots, settings.version, by_arithmetic=by_arithmetic)
        self.now_ns = 0
        self.taken = 0
        self._ties: set[str] = set()
        self.flickering = Flickering(settings.flicker_seed, settings.flicker)

    def prices_of(self, asset: str) -> AssetPrices:
        return self.prices.setdefault(asset, AssetPrices(asset))

    def advance(self, now_ns: int, out: list[Frame]) -> None:
        """Venue time has come to `now_ns`: candles close, depth is told, windows a day ahead are listed."""
        before_ns = self.now_ns
        if now_ns <= before_ns:
            return
        self.now_ns = now_ns
        for listing, at_ns, change in self.flickering.due(now_ns):
            listing.changed_ns = at_ns
            document = clob_frames.price_change(listing, [change], at_ns)
            out.append(clob_frames.event_for(listing, document))
        if before_ns == 0 or now_ns // BOUNDARY_NS != before_ns // BOUNDARY_NS:
            self._extend(now_ns, out, is_news=before_ns != 0)
        if now_ns // TENTH_NS != before_ns // TENTH_NS:
            self.exchange.tenth(now_ns, out)
        if now_ns // SECOND_NS != before_ns // SECOND_NS:
            self.exchange.second(now_ns, out)

    def take(self, event: MarketEvent, out: list[Frame]) -> None:
        """One event of the source; kinds that the venue has no use for change nothing."""
        self.taken += 1
        match event:
            case Depth():
                self._take_depth(event, out)
            case Quote():
                self._take_quote(event, out)
            case Spot():
                self._take_spot(event, out)
            case Printed():
                self._take_trade(event, out)
            case Reference():
                self._take_reference(event, out)
            case Listed():
                self._take_listed(event, out)
            case Resolved():
                self._take_resolved(event, out)
            case _:
                pass

    def change_tick(self, listing: Listing, tick_micros: int, at_ns: int, out: list[Frame]) -> None:
        """Both outcomes have another tick from now on, and whole books follow."""
        old_micros, listing.tick_micros = listing.tick_micros, tick_micros
        if not self._is_watched(listing) or old_micros == tick_micros:
            return
        for outcome in clob_frames.OUTCOMES:
            document = clob_frames.tick_size_change(listing, outcome, old_micros, at_ns)
            out.append(clob_frames.event_for(listing, document, (listing.identity.token(outcome),)))
        self._tell_books(listing, out)

    def tie(self, slug: str) -> None:
        """The average at this window's end will be the one at its start: an exact tie."""
        self._ties.add(slug)

    def _extend(self, now_ns: int, out: list[Frame], *, is_news: bool) -> None:
        listed = self.listings.extend(now_ns)
        if is_news and self.watched_tokens:
            for listing in listed:
                self._tell_new(listing, now_ns, out)

    def _take_listed(self, event: Listed, out: list[Frame]) -> None:
        known = self.listings.of_slug(event.market.market_id)
        if known is None:
            self._tell_new(self.listings.add(event.market, event.at_ns), event.at_ns, out)

    def _take_depth(self, event: Depth, out: list[Frame]) -> None:
        listing = self.listings.of_source_token(event.token)
        if listing is None or listing.winner is not None:
            return
        if listing.market.outcome_of(event.token) == "UP":
            told = listing.side_told_ns
            told["bid"] = told["ask"] = event.at_ns
            self._publish(listing, list(event.bids), list(event.asks), event.at_ns, out)
        else:
            self._publish_down(listing, list(event.bids), list(event.asks), event.at_ns, out)

    def _take_quote(self, event: Quote, out: list[Frame]) -> None:
        listing = self.listings.of_source_token(event.token)
        if listing is None or listing.winner is not None:
            return
        bids = _quoted(event.bid_micros, event.bid_size_micros)
        asks = _quoted(event.ask_micros, event.ask_size_micros)
        if listing.market.outcome_of(event.token) == "UP":
            for side, levels in (("bid", bids), ("ask", asks)):
                if levels is not None:
                    listing.side_told_ns[side] = event.at_ns
            self._publish(listing, bids, asks, event.at_ns, out)
        else:
            self._publish_down(listing, bids, asks, event.at_ns, out)

    def _publish_down(
        self, listing: Listing, bids: list[Level] | None, asks: list[Level] | None, at_ns: int, out: list[Frame]
    ) -> None:
        """Down's bids are Up's asks; a side that Up has told of late stays as Up told it."""
        told, since_ns = listing.side_told_ns, at_ns - UP_LEADS_NS
        up_bids = None if asks is None or told.get("bid", since_ns) > since_ns else mirrored(asks)
        up_asks = None if bids is None or told.get("ask", since_ns) > since_ns else mirrored(bids)
        if up_bids is not None or up_asks is not None:
            self._publish(listing, up_bids, up_asks, at_ns, out)

    def _publish(
        self, listing: Listing, bids: list[Level] | None, asks: list[Level] | None, at_ns: int, out: list[Frame]
    ) -> None:
        tops = listing.ladder.best("UP")
        changes = listing.ladder.replace(bids, asks)
        owes_book, listing.owes_book = listing.owes_book, False
        if changes:
            listing.changed_ns = at_ns
        if self._is_watched(listing):
            if changes:
                out.append(clob_frames.event_for(listing, clob_frames.price_change(listing, changes, at_ns)))
            if listing.ladder.best("UP") != tops:
                self._tell_tops(listing, at_ns, out)
            if owes_book:
                self._tell_books(listing, out)
            self.flickering.published(listing, at_ns)
        if self.settings.ticks_change:
            self._check_tick(listing, at_ns, out)

    def _tell_tops(self, listing: Listing, at_ns: int, out: list[Frame]) -> None:
        for outcome in clob_frames.OUTCOMES:
            document = clob_frames.best_bid_ask(listing, outcome, at_ns)
            out.append(clob_frames.event_for(listing, document, (listing.identity.token(outcome),), is_custom=True))

    def _tell_books(self, listing: Listing, out: list[Frame]) -> None:
        for outcome in clob_frames.OUTCOMES:
            document = clob_frames.book_event(listing, outcome)
            out.append(clob_frames.event_for(listing, document, (listing.identity.token(outcome),)))

    def _check_tick(self, listing: Listing, at_ns: int, out: list[Frame]) -> None:
        bid, ask = listing.ladder.best("UP")
        is_outside = (bid is not None and bid > _TICK_HIGH) or (ask is not None and ask < _TICK_LOW)
        if is_outside and listing.tick_micros > FINE_TICK_MICROS:
            self.change_tick(listing, FINE_TICK_MICROS, at_ns, out)

    def _take_trade(self, event: Printed, out: list[Frame]) -> None:
        listing = self.listings.of_source_token(event.token)
        if listing is None or listing.winner is not None:
            return
        outcome = listing.market.outcome_of(event.token)
        bid, ask = listing.ladder.best(outcome)
        side = "BUY" if ask is None or bid is None or 2 * event.price_micros >= bid + ask else "SELL"
        listing.trade_count += 1
        trade = Trade(event.at_ns, outcome, event.price_micros, event.size_micros, side, listing.trade_count)
        listing.trades.append(trade)
        listing.volume_micros += event.size_micros
        listing.owes_book = True
        if self._is_watched(listing):
            document = clob_frames.last_trade_price(listing, trade)
            out.append(clob_frames.event_for(listing, document, (listing.identity.token(outcome),)))

    def _take_spot(self, event: Spot, out: list[Frame]) -> None:
        prices = self.prices_of(event.asset)
        self.exchange.take(event.asset, event.price, stamped_ns=event.stamped_ns, at_ns=event.at_ns, out=out)
        oracle = prices.take_underlying(event.price, event.stamped_ns, event.at_ns)
        out.append(_price_event(prices.underlying[-1]))
        if oracle is not None:
            out.append(_price_event(oracle))

    def _take_reference(self, event: Reference, out: list[Frame]) -> None:
        prices = self.prices_of(event.asset)
        if event.kind == "price_to_beat":
            if event.stamped_ns not in prices.averages_at:
                prices.take_price_to_beat(event.price, event.stamped_ns)
            return
        value = self._tied(prices, event)
        out.append(_price_event(prices.take_average(value, event.stamped_ns, event.at_ns)))

    def _tied(self, prices: AssetPrices, event: Reference) -> float:
        """The average, or that of the start of a window that is to end in a tie."""
        for slug in sorted(self._ties):
            listing = self.listings.of_slug(slug)
            if listing is None or listing.market.asset != event.asset or listing.market.end_ns != event.stamped_ns:
                continue
            beat = prices.boundary(listing.market.start_ns)
            if beat is not None:
                prices.altered.add(event.stamped_ns)
                return beat
        return event.price

    def _take_resolved(self, event: Resolved, out: list[Frame]) -> None:
        listing = self.listings.of_slug(event.market_id)
        if listing is None or listing.winner is not None:
            return
        listing.winner = self._winner(listing, event.outcome)
        listing.resolved_ns, listing.resolved_by = event.at_ns, event.source
        self._ties.discard(listing.slug)
        self.flickering.over(listing)
        if self._is_watched(listing):
            words = wording.question(listing.market), wording.description(listing.market)
            document = clob_frames.market_resolved(listing, *words, event.at_ns)
            out.append(clob_frames.event_for(listing, document, is_custom=True))

    def _winner(self, listing: Listing, told: Outcome) -> Outcome:
        """As told, unless a tie has altered one of the two averages that decide."""
        prices, market = self.prices_of(listing.market.asset), listing.market
        if prices.altered.isdisjoint((market.start_ns, market.end_ns)):
            return told
        beat, final = prices.boundary(market.start_ns), prices.boundary(market.end_ns)
        assert beat is not None
        assert final is not None
        return "UP" if final >= beat else "DOWN"

    def _tell_new(self, listing: Listing, at_ns: int, out: list[Frame]) -> None:
        words = wording.question(listing.market), wording.description(listing.market)
        document = clob_frames.new_market(listing, *words, at_ns)
        out.append(clob_frames.event_for(listing, document, (), is_custom=True))

    def _is_watched(self, listing: Listing) -> bool:
        watched = self.watched_tokens
        return listing.identity.up in watched or listing.identity.down in watched


def _quoted(price_micros: int, size_micros: int) -> list[Level] | None:
    """A quoted side: None when it is not told, empty when it is empty."""
    if price_micros == NOT_TOLD:
        return None
    size = ASSUMED_SHARES_MICROS if size_micros == NOT_TOLD else size_micros
    return [(price_micros, size)] if price_micros > 0 and size > 0 else []


def _price_event(price: Price) -> PriceEvent:
    return PriceEvent(price, frozenset((price.asset, price.series)))
