"""`explain TRADE`: everything that led to a trade and came of it, from the journal alone.

Live code's words are shown as they are: never as Rich's markup.
"""

import ast
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.cli.reading import observed
from foresight.effects import FillBooked, Judged, ReleaseLive, SettlementBooked
from foresight.errors import TradeUnknown
from foresight.markets import OrderId, Outcome
from foresight.money import MICROS, cost_of, text_of
from foresight.runtime.documents import StatusDocument, iso
from foresight.runtime.journal import Record, read_journal
from foresight.strategy import View


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's records of one trade. `code` is the stored file and line of the release's entry function."""

    trade: str
    source: str
    release: ReleaseLive | None
    code: str | None
    decided_at: str
    decision: Judged
    fills: list[FillBooked]
    filled_at: list[str]
    arithmetic: list[str]
    settlement: SettlementBooked | None
    settled_at: str | None
    result: str


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight explain t000001")(explain)


def explain(
    trade: Annotated[str, typer.Argument(metavar="TRADE", help="A trade's id, as `foresight trades` shows it.")],
    bot: BotOption = None,
    json: JsonOption = False,
) -> None:
    """Why a trade was made and how it ended: view, signals, gates, code, book, fee, settlement."""
    folder = bot_folder(bot)
    status = observed(folder, "status.json", StatusDocument)
    explained = explain_trade(folder, folder.runs / status.run, trade, status.source)
    if json:
        print_json(explained)
    else:
        _show(explained)


def explain_trade(folder: BotFolder, run: Path, trade: str, source: str) -> Explained:
    """Gathers a trade's records. Raises TradeUnknown when the journal has none of that id."""
    records = list(read_journal(run / "journal.sqlite"))
    fills = [(record, record.entry) for record in records if _is_fill(record, trade)]
    if not fills:
        raise TradeUnknown(f"{run.name} has no trade {trade!r}; `foresight trades` lists them")
    orders = {entry.order_id for _, entry in fills if isinstance(entry, FillBooked)}
    decided = [(record, record.entry) for record in records if _is_decision(record, orders)]
    ended = [(record, record.entry) for record in records if _is_settlement(record, trade)]
    first, decision = decided[0]
    assert isinstance(decision, Judged)
    booked = [entry for _, entry in fills if isinstance(entry, FillBooked)]
    settlement = ended[0][1] if ended else None
    assert settlement is None or isinstance(settlement, SettlementBooked)
    release = _release_at(records, first.seq)
    return Explained(
        trade=trade,
        source=source,
        release=release,
        code=None if release is None else entry_place(folder.releases / release.digest[:16]),
        decided_at=iso(first.at_ns),
        decision=decision,
        fills=booked,
        filled_at=[iso(record.at_ns) for record, _ in fills],
        arithmetic=[_arithmetic(entry) for entry in booked],
        settlement=settlement,
        settled_at=iso(ended[0][0].at_ns) if ended else None,
        result=_result(booked, settlement),
    )


def _is_fill(record: Record, trade: str) -> bool:
    return isinstance(record.entry, FillBooked) and record.entry.trade_id == trade


def _is_decision(record: Record, orders: set[OrderId]) -> bool:
    return isinstance(record.entry, Judged) and record.entry.order_id in orders


def _is_settlement(record: Record, trade: str) -> bool:
    return isinstance(record.entry, SettlementBooked) and record.entry.trade_id == trade


def _release_at(records: list[Record], seq: int) -> ReleaseLive | None:
    live = [record.entry for record in records if record.seq < seq and isinstance(record.entry, ReleaseLive)]
    return live[-1] if live else None


def entry_place(stored: Path) -> str | None:
    """`file:line` of the release's `evaluate` in its stored copy."""
    for path in sorted(stored.rglob("*.py")):
        try:
            body = ast.parse(path.read_bytes()).body
        except (SyntaxError, ValueError):  # a file that nothing imports may hold anything
            continue
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name == "evaluate":
                return f"{path}:{node.lineno}"
    return None


def _arithmetic(entry: FillBooked) -> str:
    """The fill's money, spelled out."""
    fill = entry.fill
    price, shares = fill.price_micros / MICROS, fill.shares_micros / MICROS
    total = text_of(cost_of(fill.price_micros, fill.shares_micros))
    assumed = f" ({', '.join(fill.assumed)} assumed)" if fill.assumed else ""
    rate = entry.fee_rate_micros / MICROS
    from_whom = "assumed: the source does not tell it" if "fee_rate" in entry.assumed else "from the market's metadata"
    return (
        f"{entry.side} {shares:.6f} × {price:.4f} = {total}{assumed}; fee {shares:.6f} × {rate:.4f} × {price:.4f}"
        f" × {1 - price:.4f} = {text_of(fill.fee_micros)} (rate {from_whom})"
    )


def _result(fills: list[FillBooked], settlement: SettlementBooked | None) -> str:
    spent = sum(cost_of(e.fill.price_micros, e.fill.shares_micros) for e in fills if e.side == "BUY")
    got = sum(e.fill.price_micros * e.fill.shares_micros // MICROS for e in fills if e.side == "SELL")
    fees = sum(entry.fill.fee_micros for entry in fills)
    held = sum(e.fill.shares_micros if e.side == "BUY" else -e.fill.shares_micros for e in fills)
    if settlement is None and held:
        return f"open: {held / MICROS:.6f} shares for {text_of(spent)} and {text_of(fees)} in fees"
    payout = held if settlement is not None and settlement.winner == fills[0].outcome else 0
    pnl = payout + got - spent - fees
    return f"{text_of(payout + got)} received - {text_of(spent)} paid - {text_of(fees)} fees = {text_of(pnl)}"


def _show(found: Explained) -> None:
    decision = found.decision
    release = f"{decision.release} r{decision.revision}"
    out.print(Text(found.trade, style="bold"), Text(f"{decision.slot} · market {decision.market_id} · {found.source}"))
    _say(f"decided {found.decided_at} (due {iso(decision.due_ns)}) by {release}, {found.code or 'code not stored'}")
    _say(f"  {msgspec.json.encode(decision.proposal).decode()}")
    _say(f"  fair probability of UP: {_number(decision.fair)}")
    out.print(_signals_table(decision), _gates_table(decision))
    if decision.view is not None:
        _show_view(decision.view, decision.proposal.outcome)
    for at, entry, text in zip(found.filled_at, found.fills, found.arithmetic, strict=True):
        levels = ", ".join(f"{price / MICROS:.3f}×{_size(size)}" for price, size in entry.book[:5])
        _say(f"filled {at}: {text}")
        _say(f"  the book then: {levels}")
    if found.settlement is not None:
        _say(f"settled {found.settled_at}: {found.settlement.winner}, told by {found.settlement.source}")
    out.print(Text(found.result, style="bold"))


def _say(text: str) -> None:
    out.print(Text(text))


def _signals_table(decision: Judged) -> Table:
    table = Table("signal", "value", box=None)
    for name, value in decision.signals.items():
        table.add_row(Text(name), _number(value))
    return table


def _gates_table(decision: Judged) -> Table:
    table = Table("gate", "answer", "value", "limit", "", box=None)
    for verdict in decision.verdicts:
        cells = (verdict.gate, verdict.answer, _number(verdict.value), verdict.limit, verdict.unit)
        table.add_row(*map(Text, cells))
    return table


def _show_view(view: View, outcome: Outcome) -> None:
    book = view.book(outcome)
    _say(
        f"view: {view.seconds_left:.1f} s left, underlying {view.prices.last if view.prices else 'absent'}, "
        f"reference {view.reference} ({view.reference_source}), bid {book.bid} ask {book.ask}"
    )


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.6g}"


def _size(size_micros: int) -> str:
    return "?" if size_micros < 0 else f"{size_micros / MICROS:g}"
