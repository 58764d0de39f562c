"""Tables that both the commands and the terminal view show. Every cell is a Text: no foreign word is read as markup."""

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from foresight.runtime.documents import PresenceDocument, SlotDocument, SlotPresence

PRESENCE_COLUMNS = (
    "slot", "due", "done", "late", "missed", "blind", "on event", "p50 ms", "p99 ms", "max ms", "missed by",
)  # fmt: skip

SLOT_CELLS: dict[str, Callable[[SlotDocument], Text]] = {
    "slot": lambda slot: Text(slot.slot),
    "left": lambda slot: Text(_left(slot.seconds_left)),
    "underlying": lambda slot: Text(_price(slot.underlying)),
    "move": lambda slot: _move(slot.move),
    "UP bid": lambda slot: Text(_cents(slot.up_bid)),
    "ask": lambda slot: Text(_cents(slot.up_ask)),
    "fair": lambda slot: Text(_cents(slot.fair)),
    "position": lambda slot: _side(slot.position),
    "state": lambda slot: _state(slot.state),
}
DROPPED_FIRST = ("underlying", "move", "UP bid")
"""What a narrow table goes without, in this order."""

GAP = 2


def slots_table(slots: Sequence[SlotDocument], width: int | None = None) -> Table:
    """One line a slot: window, prices, fair value, position, state; in `width` columns only what fits whole."""
    columns = {name: [cell(slot) for slot in slots] for name, cell in SLOT_CELLS.items()}
    for name in DROPPED_FIRST:
        if width is None or _needed(columns) <= width:
            break
        del columns[name]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in ("slot", "position", "state") else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def presence_table(document: PresenceDocument) -> Table:
    """One line a slot and one in all; lateness in milliseconds."""
    title = Text(f"presence ({document.source})")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in PRESENCE_COLUMNS:
        table.add_column(name, justify="left" if name in ("slot", "missed by") else "right", no_wrap=True)
    rows: list[tuple[str, SlotPresence | PresenceDocument]] = [(slot.slot, slot) for slot in document.slots]
    for name, row in [*rows, ("all", document)]:
        lateness = row.lateness_ms
        table.add_row(
            Text(name), str(row.due), str(row.done), str(row.late), str(row.missed), str(row.blind), str(row.on_event),
            f"{lateness.p50:.1f}", f"{lateness.p99:.1f}", f"{lateness.max:.1f}",
            Text(", ".join(f"{cause}: {count}" for cause, count in row.missed_by_cause.items())),
        )  # fmt: skip
    return table


def _needed(columns: dict[str, list[Text]]) -> int:
    """The screen columns that show every cell whole."""
    widest = (max(len(name), *(cell.cell_len for cell in cells), 0) for name, cells in columns.items())
    return sum(widest) + GAP * (len(columns) - 1)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}" if value < 1000 else f"{value:,.1f}"


def _move(value: float | None) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value * 1e4:+.1f} bp", style="green" if value >= 0 else "red")


def _cents(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".rstrip("0").ljust(4, "0")


def _side(side: str | None) -> Text:
    return Text(side or "", style="bold green" if side == "UP" else "bold red")


def _state(state: str) -> Text:
    style = {"open": "dim", "no market": "dim"}.get(state, "yellow")
    return Text(state, style=style)
