"""Where the venues are: the real ones (venue spec §2.1, §10.1), or one that serves them all on loopback (§12, §13)."""

import msgspec


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Base addresses, without a slash at their end. `control` is a local venue's own, empty at real ones."""

    gamma: str
    clob: str
    data: str
    website: str
    clob_market: str
    polybolt: str
    rtds: str
    binance: str
    binance_stream: str
    binance_futures_stream: str
    control: str = ""


REAL = Endpoints(
    gamma="https://gamma-api.polymarket.com",
    clob="https://clob.polymarket.com",
    data="https://data-api.polymarket.com",
    website="https://polymarket.com",
    clob_market="wss://ws-subscriptions-clob.polymarket.com/ws/market",
    polybolt="wss://ws-live-v2.polymarket.com/ws",
    rtds="wss://ws-live-data.polymarket.com",
    binance="https://data-api.binance.vision",
    binance_stream="wss://data-stream.binance.vision",
    binance_futures_stream="wss://fstream.binance.com",
)


def local(address: str) -> Endpoints:
    """A venue that serves all of it at one address, such as `http://127.0.0.1:8170`."""
    http = address.rstrip("/")
    socket = "ws" + http.removeprefix("http")
    return Endpoints(
        gamma=f"{http}/gamma",
        clob=http,
        data=f"{http}/data",
        website=http,
        clob_market=f"{socket}/ws/market",
        polybolt=f"{socket}/ws/rt",
        rtds=f"{socket}/ws/rtds",
        binance=http,
        binance_stream=socket,
        binance_futures_stream=f"{socket}/futures",
        control=f"{http}/control",
    )
