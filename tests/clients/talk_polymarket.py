"""Runs in the clients' environment: what `polymarket-client`, unmodified, reads from a venue, as one JSON document.

python talk_polymarket.py URL SLUG reads|market|twap [SECONDS]
"""

import asyncio
import dataclasses
import json
import sys

from polymarket import AsyncPublicClient, AsyncSecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.streams._specs import CryptoPriceSpec, CryptoTwapPriceSpec, MarketSpec

KEY = "0x" + "01" * 32
ADDRESS = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"


def environment(http):
    """The override of venue spec §12, word for word."""
    ws = http.replace("http://", "ws://")
    config = dataclasses.replace(
        PRODUCTION_CONFIG,
        clob_url=http,
        gamma_url=http + "/gamma",
        data_url=http + "/data",
        relayer_url=http + "/relayer",
        rpc_url=http + "/rpc",
        clob_market_ws_url=ws + "/ws/market",
        clob_user_ws_url=ws + "/ws/user",
        realtime_ws_url=ws + "/ws/rt",
        rtds_ws_url=ws + "/ws/rtds",
    )
    return create_environment(name="local", config=config)


def plain(value):
    return json.loads(value.model_dump_json())


async def reads(client, slug):
    market = await client.get_market(slug=slug)
    outcomes = market.outcomes
    token = outcomes.yes.token_id or outcomes.yes.position_id
    other = outcomes.no.token_id or outcomes.no.position_id
    event = await client.get_event(slug=slug)
    books = await client.get_order_books(token_ids=[token, other])
    return {
        "market": plain(market),
        "event": plain(event),
        "book": plain(await client.get_order_book(asset_id=token)),
        "books": [plain(book) for book in books],
    }


async def resolutions(client, slug):
    market = await client.get_market(slug=slug)
    condition = market.condition_id + ("00" if len(market.condition_id) == 64 else "")
    found = await client.get_resolutions(condition_ids=condition)
    return {"market": plain(market), "resolutions": [plain(item) for item in found]}


async def market_stream(client, slug, seconds):
    """Every kind of event, up to three of each, until the market is resolved or the time is over."""
    market = await client.get_market(slug=slug)
    tokens = [outcome.token_id or outcome.position_id for outcome in (market.outcomes.yes, market.outcomes.no)]
    seen = {}
    handle = await client.subscribe(MarketSpec(token_ids=tokens, custom_feature_enabled=True))
    async with handle:
        try:
            async with asyncio.timeout(seconds):
                async for event in handle:
                    known = seen.setdefault(event.type, [])
                    if len(known) < 3:
                        known.append(plain(event.payload))
                    if event.type == "market_resolved":
                        break
        except TimeoutError:
            pass
    return {"tokens": tokens, "events": seen}


async def twap(http, seconds):
    client = await AsyncSecureClient.create(private_key=KEY, wallet=ADDRESS, environment=environment(http))
    seen = []
    async with client:
        specs = [CryptoTwapPriceSpec(symbols=["btcusd", "ethusd"]), CryptoPriceSpec(symbols=["btcusd"])]
        handles = [await client.subscribe(spec) for spec in specs]

        async def follow(handle):
            async for event in handle:  # what was seen until the time is over stays
                seen.append({"topic": event.topic, "type": event.type} | plain(event))  # noqa: PERF401 - as above

        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for handle in handles:
                    group.create_task(follow(handle))
        except TimeoutError:
            pass
    return {"events": seen}


async def main(http, slug, what, seconds=20.0):
    if what == "twap":
        return await twap(http, seconds)
    async with AsyncPublicClient(environment=environment(http)) as client:
        if what == "market":
            return await market_stream(client, slug, seconds)
        return await (reads if what == "reads" else resolutions)(client, slug)


if __name__ == "__main__":
    url, name, what, *rest = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(main(url, name, what, *(float(word) for word in rest)))))
