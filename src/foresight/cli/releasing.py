"""`releases` and `diff`: which code a bot has had, what each answers now, and what differs between two of them."""

import sys
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from rich.style import Style
from rich.table import Table
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.asking import readable
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.cli.deploying import release_name
from foresight.cli.differences import Diff, FieldsDiff, StrategyDiff, diff_of
from foresight.cli.reading import is_running
from foresight.cli.stored import entries_of, entry_named, newest
from foresight.config import Config, load_config
from foresight.markets import slot_id
from foresight.view.writing import one_line, shortened
from tesseract import Entry

LIMIT = 20
SLOTS_NAMED_MAX = 4
UNDONE = ("rejected", "rolled back")
WHY_MAX = 160
"""Characters of a reason; `--json` has all of it."""

ReleaseArgument = Annotated[str, typer.Argument(metavar="vA", help="The older release, such as v3.")]
OtherArgument = Annotated[str, typer.Argument(metavar="vB", help="The newer release, such as v4.")]


class Slot(msgspec.Struct, frozen=True):
    slot: str
    release: str = ""


class Deploy(msgspec.Struct, frozen=True):
    live: str = ""
    standby: str | None = None


class Shadow(msgspec.Struct, frozen=True):
    release: str


class Answering(msgspec.Struct, frozen=True):
    """What status.json tells of who answers."""

    written_at: str = ""
    running: bool = False
    deploy: Deploy = Deploy()
    shadow: Shadow | None = None
    slots: tuple[Slot, ...] = ()


class ReleaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One release. `now` is `live`, `standby`, `shadow` or empty; `slots` are those that it answers. `why` is the
    reason of its last move."""

    release: str
    state: str
    now: str
    slots: list[str]
    when: str
    origin: str
    author: str
    parent: str | None
    commit: str
    note: str
    digest: str
    why: str


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight releases --limit 5")(releases)
    app.command(epilog="Example: foresight diff v1 v2")(diff)


def releases(
    bot: BotOption = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Only the newest N.")] = LIMIT,
    json: JsonOption = False,
) -> None:
    """Every release of the bot's live code, newest last: its state, and what it answers now."""
    folder = bot_folder(bot)
    answering = newest(folder, "status.json", Answering)
    entries = entries_of(folder)
    found = [document_of(entry, answering or Answering()) for entry in entries[-limit:]]
    running = answering is not None and answering.running
    if json:
        print_json({"running": running, "total": len(entries), "releases": found})
        return
    out.print(
        _table(found, len(answering.slots) if answering else 0) if found else "no release yet; the first run takes one"
    )
    for each in found:
        if each.state in UNDONE and each.why:
            out.print(Text(shortened(one_line(f"{each.release} {each.state}: {each.why}"), WHY_MAX)), soft_wrap=True)
    if not running:
        out.print("the bot is not running: nothing answers now" if not is_running(folder) else "the bot is starting")
    if len(found) < len(entries):
        out.print(f"the newest {len(found)} of {len(entries)} releases; --limit {len(entries)} shows all")


def document_of(entry: Entry, answering: Answering) -> ReleaseDocument:
    """What there is to say of one release, with what it does in the running bot."""
    return ReleaseDocument(
        release=entry.name,
        state=entry.state,
        now=_now(entry, answering) if answering.running else "",
        slots=[each.slot for each in answering.slots if answering.running and each.release == entry.name],
        when=entry.created_at,
        origin=entry.origin,
        author=entry.author,
        parent=None if entry.parent is None else f"v{entry.parent}",
        commit=entry.commit,
        note=entry.note,
        digest=entry.digest,
        why=entry.history[-1].why,
    )


def _now(entry: Entry, answering: Answering) -> str:
    """A release that answers any slot is live there, also as a canary."""
    if entry.name in (*answering.deploy.live.split(" and "), *(each.release for each in answering.slots)):
        return "live"
    if entry.name == answering.deploy.standby:
        return "standby"
    is_shadow = answering.shadow is not None and answering.shadow.release == entry.name
    return "shadow" if is_shadow and entry.state == "rehearsed" else ""


def _table(found: list[ReleaseDocument], slots: int) -> Table:
    columns = ("release", "state", "now", "when", "origin", "author", "parent", "digest", "commit or note")
    table = Table(*columns, box=None)
    for each in found:
        when = each.when[:19].replace("T", " ")
        cells = (
            each.release, each.state, each.now + _where(each.slots, slots), when, each.origin, each.author,
            each.parent or "", each.digest[:8], " · ".join(part for part in (each.commit, each.note) if part),
        )  # fmt: skip
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _where(mine: list[str], slots: int) -> str:
    """Which slots a release answers, where it is not all of them."""
    if not 0 < len(mine) < slots:
        return ""
    return f" in {', '.join(mine)}" if len(mine) <= SLOTS_NAMED_MAX else f" in {len(mine)} of {slots} slots"


def diff(a: ReleaseArgument, b: OtherArgument, bot: BotOption = None, json: JsonOption = False) -> None:
    """What differs between two releases: code, parameters, the State, and what becomes of a state on the way."""
    before, after = release_name(a), release_name(b)
    folder = bot_folder(bot)
    entries = entries_of(folder)
    old, new = entry_named(entries, before), entry_named(entries, after)
    found = diff_of(folder, old, new, modules_of(load_config(folder.root), folder))
    if json:
        print_json(found)
    else:
        _show(found)


def modules_of(config: Config, folder: BotFolder) -> Mapping[str, str]:
    """The strategies that have a slot, by name, with the module of each; the main one has no name."""
    entries = config.deploy.strategies
    traded = {slot_id(asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes}
    named = {slot for entry in entries.values() for slot in entry.slots}
    main = {"": folder.strategy.name} if traded - named else {}
    return main | {name: entry.module for name, entry in entries.items()}


def _show(found: Diff) -> None:
    if not found.files:
        out.print(f"{found.a} and {found.b} hold the same code")
    for file in found.files:
        if file.is_text:
            for line in file.lines:
                _write_line(line)
        else:
            what = f"{file.change}: {file.bytes_before} bytes before, {file.bytes_after} after; no text to compare"
            _say(f"{file.name} is {what}", "bold")
    for strategy in found.strategies:
        _show_strategy(found, strategy)


def _show_strategy(found: Diff, each: StrategyDiff) -> None:
    name = f"strategy {each.strategy}: " if each.strategy else ""
    if each.problem:
        _say(f"{name}parameters and State are not known: {each.problem}", "red")
        return
    _show_fields(f"{name}parameters", each.params)
    _show_fields(f"{name}State", each.state)
    if each.is_same_state:
        _say(f"{name}every state goes from {found.a} to {found.b} as it is")
        return
    if each.carry_problems:
        _say(f"{name}{found.b} would be refused for a state of {found.a}:", "red")
    else:
        _say(f"{name}a state of {found.a} becomes one of {found.b}; tried with a fresh state only:")
    for note in (*each.carry_problems, *each.carry_notes):
        _say(f"  {note}")


def _show_fields(title: str, fields: FieldsDiff) -> None:
    if fields.is_empty:
        _say(f"{title}: the same")
        return
    _say(f"{title}:", "bold")
    for name, text in fields.removed.items():
        _say(f"  - {name}: {text}", "red")
    for name, text in fields.added.items():
        _say(f"  + {name}: {text}", "green")
    for name, (before, after) in fields.changed.items():
        _say(f"  ~ {name}: {before} → {after}", "yellow")


_COLOURS = {"---": "bold", "+++": "bold", "@@ ": "cyan"}


def _write_line(line: str) -> None:
    """A line of code: coloured on a terminal, elsewhere as it is, so that `patch` takes it."""
    if out.is_terminal:
        style = _COLOURS.get(line[:3]) or {"-": "red", "+": "green"}.get(line[:1], "")
        out.print(Text(readable(line), style=Style.parse(style)), soft_wrap=True)
        return
    try:
        sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        out.on_broken_pipe()


def _say(text: str, style: str = "") -> None:
    out.print(Text(readable(text), style=style), soft_wrap=True)
