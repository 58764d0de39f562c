"""The channels to Binance: spot takes all on one line, futures serve book data and trades on two (venue spec §10.1)."""

from collections.abc import Mapping

from foresight.feeds.binance import FUTURES, SPOT, SPOT_STREAMS, BinanceChannel, Witnesses
from foresight.feeds.endpoints import Endpoints
from foresight.feeds.telling import Surroundings


def channels_of(
    feed: str, assets: Mapping[str, str], endpoints: Endpoints, around: Surroundings
) -> list[BinanceChannel]:
    """New channels of one market for these symbols, each with the asset that its prices are told of."""
    base = endpoints.binance_futures_stream
    places = {
        SPOT: (("binance", endpoints.binance_stream, SPOT_STREAMS),),
        FUTURES: (
            ("binance futures book", f"{base}/public", ("bookTicker",)),
            ("binance futures trades", f"{base}/market", ("aggTrade",)),
        ),
    }
    witnesses = Witnesses()
    return [
        BinanceChannel(name, place, feed=feed, assets=assets, kinds=kinds, around=around, witnesses=witnesses)
        for name, place, kinds in places[feed]
    ]
