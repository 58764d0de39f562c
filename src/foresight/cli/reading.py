"""`status`, `positions`, `trades` and `presence`: what a bot is doing or has done.

They read `state/observed/*.json` and the run's journal or ledger, from any shell, while the bot runs and after it has
stopped. What others wrote (live code, names, paths) is shown as it is: never as Rich's markup.
"""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.errors import BotFolderRefused
from foresight.ledger.projection import TradeRow
from foresight.money import MICROS, text_of
from foresight.runtime.documents import PositionsDocument, PresenceDocument, StatusDocument, iso
from foresight.runtime.ledger_file import run_trades
from foresight.runtime.state_files import open_lock
from foresight.view.deploys import deploy_pieces
from foresight.view.tables import presence_table, slots_table
from foresight.view.writing import one_line
from tesseract import ReleaseRefused, read_tree, tree_digest

Document = TypeVar("Document", bound=msgspec.Struct)


class TradeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One trade. Dollars and shares; `price` is the mean entry price, `pnl` is after fees, None while it is open."""

    id: str
    slot: str
    market: str
    outcome: str
    state: str
    opened: str
    closed: str | None
    shares: float
    price: float
    cost: float
    fees: float
    sold: float
    payout: float
    pnl: float | None
    win: bool | None
    winner: str | None
    closed_by: str | None
    settled_by: str | None
    release: str
    revision: int
    source: str
    assumed: list[str]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight status --json")(status)
    app.command(epilog="Example: foresight positions --bot mybot")(positions)
    app.command(epilog="Example: foresight trades --json")(trades)
    app.command(epilog="Example: foresight presence")(presence)


def status(bot: BotOption = None, json: JsonOption = False) -> None:
    """What the bot is doing: release, slots, presence, money."""
    folder = bot_folder(bot)
    document = observed(folder, "status.json", StatusDocument)
    document = msgspec.structs.replace(document, running=document.running and is_running(folder))
    if json:
        print_json(document)
        return
    state = "running" if document.running else f"stopped (last seen {document.written_at})"
    out.print(
        Text(state, style="bold"),
        Text(
            f"· {document.mode} · {document.source} ({document.source_name}) · release"
            f" {document.release} r{document.revision} · venue time {document.now}"
        ),
    )
    out.print(slots_table(document.slots, out.width))
    counts, money = document.presence, document.money
    out.print(
        f"presence: {counts.due} due, {counts.done} done, {counts.late} late, {counts.missed} missed,"
        f" {counts.blind} blind · P&L {money.pnl:+.2f} USD ({document.source}), {money.trades} trades, {money.wins} won"
    )
    out.print(Text(" · ".join(map(one_line, deploy_pieces(document)))))
    for problem in (*document.problems, *_setbacks(folder, document)):
        out.print(Text(one_line(problem), style="red"))


def _setbacks(folder: BotFolder, document: StatusDocument) -> Iterator[str]:
    """The newest refusal or rollback, and whether the folder that a person edits is what runs."""
    if document.deploy.setback:
        yield document.deploy.setback
    if not document.running or document.deploy.follow == "git":
        return
    try:
        is_the_same = tree_digest(read_tree(folder.strategy)) == document.release_digest
    except ReleaseRefused:
        is_the_same = False
    if not is_the_same:
        yield f"{folder.strategy} holds other files than {document.release}, which runs"


def positions(bot: BotOption = None, json: JsonOption = False) -> None:
    """Open positions, marked at the bid."""
    document = observed(bot_folder(bot), "positions.json", PositionsDocument)
    if json:
        print_json(document)
        return
    table = Table("trade", "slot", "side", "shares", "price", "cost", "mark", "P&L", "state", "release", box=None)
    for held in document.positions:
        mark = "-" if held.mark is None else f"{held.mark:.3f}"
        pnl = "-" if held.pnl is None else f"{held.pnl:+.2f}"
        cells = (
            held.trade_id, held.slot, held.outcome, f"{held.shares:.2f}", f"{held.price:.3f}", f"{held.cost:.2f}",
            mark, pnl, held.state, held.release,
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table if document.positions else "no open position")
    out.print(f"{document.source} · cash {document.cash:.2f} USD · at cost {document.open_cost:.2f} USD")


def trades(bot: BotOption = None, json: JsonOption = False) -> None:
    """Every trade of the newest run, oldest first."""
    folder = bot_folder(bot)
    document = observed(folder, "status.json", StatusDocument)
    rows = [trade_document(row) for row in run_trades(folder.runs / document.run, is_running=is_running(folder))]
    if json:
        print_json(
            {"source": document.source, "source_name": document.source_name, "run": document.run, "trades": rows}
        )
        return
    table = Table("trade", "slot", "side", "opened", "price", "shares", "fees", "result", "settled by", box=None)
    for row in rows:
        pnl = "open" if row.pnl is None else text_of(round(row.pnl * MICROS))
        cells = (
            row.id, row.slot, row.outcome, row.opened, f"{row.price:.3f}", f"{row.shares:.2f}", f"{row.fees:.4f}",
            pnl, row.settled_by or row.closed_by or "",
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table if rows else "no trade yet")
    out.print(Text(f"{document.source} ({document.source_name}) · {len(rows)} trades"))


def presence(bot: BotOption = None, json: JsonOption = False) -> None:
    """Every evaluation that was due: done, late, missed with its cause, or blind."""
    document = observed(bot_folder(bot), "presence.json", PresenceDocument)
    if json:
        print_json(document)
        return
    out.print(presence_table(document))


def observed(folder: BotFolder, name: str, kind: type[Document]) -> Document:
    """A document that the bot wrote. Raises BotFolderRefused when it is not there or is damaged."""
    path: Path = folder.observed / name
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise BotFolderRefused(f"{folder.root} has not run yet: {path} does not exist; start it with `run`") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise BotFolderRefused(f"{path} cannot be read: {error}; a running bot replaces it within a second") from None


def is_running(folder: BotFolder) -> bool:
    """Whether a process runs this bot. Its lock is asked, because the number of a process that has ended may be in use
    again; the look takes a shared lock for an instant."""
    try:
        with open_lock(folder.state / "lock", makes_it=False) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def trade_document(row: TradeRow) -> TradeDocument:
    return TradeDocument(
        id=row.trade_id,
        slot=row.slot,
        market=row.market,
        outcome=row.outcome,
        state=row.state,
        opened=iso(row.opened_ns),
        closed=None if row.closed_ns is None else iso(row.closed_ns),
        shares=row.shares_micros / MICROS,
        price=row.bought_micros / row.shares_micros,
        cost=row.bought_micros / MICROS,
        fees=row.fees_micros / MICROS,
        sold=row.sold_micros / MICROS,
        payout=row.payout_micros / MICROS,
        pnl=None if row.pnl_micros is None else row.pnl_micros / MICROS,
        win=None if row.pnl_micros is None else row.pnl_micros > 0,
        winner=row.winner,
        closed_by=row.closed_by,
        settled_by=row.settled_by,
        release=row.release,
        revision=row.revision,
        source=row.source,
        assumed=row.assumed.split(",") if row.assumed else [],
    )
