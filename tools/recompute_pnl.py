"""Recomputes a run's profit and loss from its files alone, without any code of the bot, and compares.

    python tools/recompute_pnl.py BOT/data/runs/0001-simulated

It reads the journal as plain SQLite and JSON, folds the money with decimal arithmetic by the venue's rules, and checks
every trade of the ledger against it. Exit code 1 when anything differs.
"""

import json
import sqlite3
import sys
from collections import defaultdict
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

MICRO = Decimal("0.000001")
FEE_STEP = Decimal("0.00001")
DEFAULT_RATE = Decimal("0.07")


class Account:
    """Cash, and by trade: shares held, money paid, received and taken as fees."""

    def __init__(self) -> None:
        self.deposits = self.cash = Decimal(0)
        self.shares: dict[str, Decimal] = defaultdict(Decimal)
        self.result: dict[str, Decimal] = defaultdict(Decimal)
        self.sides: dict[str, str] = {}
        self.closed: set[str] = set()
        self.wrong_fees: list[str] = []

    def take(self, entry: dict[str, Any]) -> None:
        """Folds one journal entry; entries that are not about money change nothing."""
        match entry["type"]:
            case "Deposited":
                self.deposits += Decimal(entry["amount_micros"]) * MICRO
                self.cash += Decimal(entry["amount_micros"]) * MICRO
            case "FillBooked":
                self._fill(entry)
            case "SettlementBooked":
                self._settle(entry)

    def _fill(self, entry: dict[str, Any]) -> None:
        trade, fill = entry["trade_id"], entry["fill"]
        price, shares, fee = (Decimal(fill[f"{name}_micros"]) * MICRO for name in ("price", "shares", "fee"))
        expected = (shares * DEFAULT_RATE * price * (1 - price)).quantize(FEE_STEP, ROUND_HALF_UP)
        if fee != expected:
            self.wrong_fees.append(f"{trade}: fee {fee}, expected {expected}")
        if entry["side"] == "BUY":
            money = -(price * shares).quantize(MICRO, ROUND_CEILING) - fee
            self.shares[trade] += shares
        else:
            money = (price * shares).quantize(MICRO, ROUND_FLOOR) - fee
            self.shares[trade] -= shares
        self.sides[trade] = entry["outcome"]
        self.cash += money
        self.result[trade] += money
        if self.shares[trade] == 0:
            self.closed.add(trade)

    def _settle(self, entry: dict[str, Any]) -> None:
        trade = entry["trade_id"]
        payout = self.shares.pop(trade) if entry["winner"] == self.sides[trade] else Decimal(0)
        self.cash += payout
        self.result[trade] += payout
        self.closed.add(trade)


def recompute(run: Path) -> Account:
    """The account after the whole journal."""
    account = Account()
    connection = sqlite3.connect(f"{(run / 'journal.sqlite').absolute().as_uri()}?mode=ro", uri=True)
    for (body,) in connection.execute("SELECT body FROM journal ORDER BY seq"):
        account.take(json.loads(body))
    connection.close()
    return account


def differences(run: Path, account: Account) -> list[str]:
    """Where the ledger says something else than the journal."""
    connection = sqlite3.connect(f"{(run / 'ledger.sqlite').absolute().as_uri()}?mode=ro", uri=True)
    rows = connection.execute("SELECT trade_id, state, pnl_micros FROM trades").fetchall()
    last = connection.execute("SELECT cash_micros FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    connection.close()
    found = list(account.wrong_fees)
    for trade, state, pnl in rows:
        is_closed = trade in account.closed
        if (state == "closed") != is_closed:
            found.append(f"{trade}: the ledger says {state}")
        elif is_closed and Decimal(pnl) * MICRO != account.result[trade]:
            found.append(f"{trade}: the ledger says {Decimal(pnl) * MICRO}, the journal {account.result[trade]}")
    if {row[0] for row in rows} != set(account.result):
        found.append("the ledger and the journal do not have the same trades")
    if last is not None and Decimal(last[0]) * MICRO != account.cash:
        found.append(f"cash: the ledger says {Decimal(last[0]) * MICRO}, the journal {account.cash}")
    return found


def main(run: Path) -> int:
    """Prints the account and every difference."""
    account = recompute(run)
    realised = sum((account.result[trade] for trade in account.closed), Decimal(0))
    print(f"{len(account.closed)} closed trades, realised {realised} USD, cash {account.cash} USD")
    found = differences(run, account)
    for difference in found:
        print(f"differs: {difference}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
