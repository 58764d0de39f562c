"""Runs in the clients' environment: what `py-clob-client-v2`, unmodified, reads from a venue, as one JSON document.

python talk_clob.py URL TOKEN OTHER CONDITION
"""

import json
import sys

from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import BookParams

if __name__ == "__main__":
    url, token, other, condition = sys.argv[1:]
    client = ClobClient(host=url, chain_id=137)
    sys.stdout.write(
        json.dumps(
            {
                "ok": client.get_ok(),
                "version": client.get_version(),
                "time": client.get_server_time(),
                "book": client.get_order_book(token),
                "books": client.get_order_books([BookParams(token_id=token), BookParams(token_id=other)]),
                "market": client.get_market(condition),
                "tick_size": client.get_tick_size(token),
                "neg_risk": client.get_neg_risk(token),
                "fee_rate_bps": client.get_fee_rate_bps(token),
                "midpoint": client.get_midpoint(token),
                "spread": client.get_spread(token),
                "buy": client.get_price(token, "BUY"),
                "sell": client.get_price(token, "SELL"),
                "last_trade": client.get_last_trade_price(token),
                "fee_exponent": client.get_fee_exponent(token),
                "hash": client.get_order_book_hash(client.get_order_book(token)),
                "by_token": client._get(f"{url}/markets-by-token/{token}"),
                "compact": client.get_clob_market_info(condition),
            }
        )
    )
