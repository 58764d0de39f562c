"""`params`: the values in force, changing them while the bot runs, and going back."""

from collections.abc import Callable
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from foresight.cli.asking import WAIT, WaitOption, readable, seconds_for
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.cli.parameters import Tuning, tuning_of, what_runs, what_starts
from foresight.cli.retuning import Retuning
from foresight.cli.revisions import Revision, Revisions, changes
from foresight.cli.shapes import Leaf, Limit, value_text
from foresight.errors import DesiredRefused
from foresight.view.writing import one_line

DEFAULT = "default"
Assignments = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE…", help="JSON, else text; `default` takes an override away.")
]
NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="One parameter, or a table of them.")]


class ParamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter. `overridden` is whether somebody has set it; `limits` are those of its type."""

    name: str
    strategy: str
    value: object
    default: object
    type: str
    range: str
    limits: dict[str, Limit]
    choices: tuple[str | int | bool, ...]
    overridden: bool


class ParamsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, or with `running` false what the next start takes. `asked` is the revision that
    state/desired.json asks for, and `clashes` whether other values are in force under that number; `dormant` are
    overrides that the release has no parameter for, and `problems` those that do not fit."""

    running: bool
    release: str
    revision: int
    asked: int
    clashes: bool
    params: list[ParamDocument]
    dormant: dict[str, object]
    problems: list[str]


class RevisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One revision, with what it changed of the one before it that was not refused."""

    revision: int
    author: str
    asked_at: str
    state: str
    in_force: bool
    changes: list[str]
    params: dict[str, object]
    text: str


def register(app: typer.Typer) -> None:
    params = typer.Typer()
    params.callback(invoke_without_command=True)(show)
    params.command("get", epilog="Example: foresight params get momentum")(get)
    params.command("set", epilog="Example: foresight params set momentum.s30=0.5 sizing=kelly price_max=default")(set_)
    params.command("history", epilog="Example: foresight params history")(history)
    params.command("undo", epilog="Example: foresight params undo")(undo)
    example = "Examples: foresight params · foresight params set momentum.s30=0.5 · foresight params undo"
    app.add_typer(params, name="params", epilog=example)


def show(context: typer.Context, bot: BotOption = None, json: JsonOption = False) -> None:
    """The parameters of the live code: get, set, history, undo. Alone: get."""
    if context.invoked_subcommand is None:
        get(context, None, bot, json)
    else:
        context.obj = (bot, json)


def get(context: typer.Context, name: NameArgument = None, bot: BotOption = None, json: JsonOption = False) -> None:
    """Every parameter with its value, default and range, or one of them."""
    bot, json = _with_outer(context, bot, json)
    folder = bot_folder(bot)
    desired = Revisions(folder).desired()
    running = what_runs(folder)
    runs = what_starts(folder, desired) if running is None else running
    tunings = [tuning_of(each, each.overrides) for each in runs]
    overrides = {key: value for each in runs for key, value in each.overrides.items()}
    dormant = {key for key in overrides if all(key in each.dormant for each in tunings)}
    shown = ParamsShown(
        running=running is not None,
        release=" and ".join(dict.fromkeys(each.name for each in runs)),
        revision=max(each.revision for each in runs),
        asked=desired.revision,
        clashes=any(each.revision == desired.revision and each.overrides != desired.params for each in runs),
        params=[param for each in tunings for param in _documents(each, overrides, name)],
        dormant={key: overrides[key] for key in sorted(dormant)},
        problems=[problem for each in tunings for problem in each.problems],
    )
    if name is not None and not shown.params:
        raise DesiredRefused(f"there is no parameter {name} in {shown.release}; `foresight params` lists them")
    print_json(shown) if json else _show_params(shown)


def _documents(tuning: Tuning, overrides: dict[str, object], name: str | None) -> list[ParamDocument]:
    return [
        _document(tuning, each, leaf, is_overridden=each in overrides)
        for each, leaf in tuning.leaves.items()
        if name is None or each == name or each.startswith(f"{name}.")
    ]


def _document(tuning: Tuning, name: str, leaf: Leaf, *, is_overridden: bool) -> ParamDocument:
    return ParamDocument(
        name=name,
        strategy=tuning.strategy,
        value=tuning.values[name],
        default=None if leaf.default is msgspec.UNSET else leaf.default,
        type=leaf.type,
        range=leaf.range,
        limits=leaf.limits,
        choices=leaf.choices,
        overridden=is_overridden,
    )


def _show_params(shown: ParamsShown) -> None:
    in_force = f"{shown.release} r{shown.revision}"
    _say(f"in force: {in_force}" if shown.running else f"no bot runs; the next start takes {in_force}", "bold")
    has_several = any(param.strategy for param in shown.params)
    table = Table(
        *(("strategy",) if has_several else ()), "parameter", "value", "default", "type", "range", "", box=None
    )
    for param in shown.params:
        value, default = value_text(param.value), value_text(param.default)
        strategy = (param.strategy or "main",) if has_several else ()
        cells = (*strategy, param.name, value, default, param.type, param.range, "set" if param.overridden else "")
        table.add_row(*(Text(one_line(cell)) for cell in cells), style="bold" if param.overridden else None)
    out.print(table)
    for name, override in shown.dormant.items():
        _say(f"{name} = {value_text(override)} is set, and {shown.release} has no such parameter: it has no effect")
    for problem in shown.problems:
        _say(f"does not fit: {problem}", "red")
    if shown.asked != shown.revision:
        _say(f"state/desired.json asks for r{shown.asked}, which is not in force", "yellow")
    elif shown.clashes:
        _say(f"state/desired.json has other values under r{shown.asked}, which are not in force", "yellow")


def set_(
    context: typer.Context,
    assignments: Assignments,
    bot: BotOption = None,
    wait: WaitOption = WAIT,
    json: JsonOption = False,
) -> None:
    """Change parameters: checked at once, then rehearsed and brought live like any deploy."""
    bot, json = _with_outer(context, bot, json)
    given = assigned(assignments)
    with Retuning(bot_folder(bot), wait_s=seconds_for(wait, "--wait"), json=json) as retuning:
        retuning.set(given)


def undo(context: typer.Context, bot: BotOption = None, wait: WaitOption = WAIT, json: JsonOption = False) -> None:
    """Go back to the parameters of the revision before, as a new revision."""
    bot, json = _with_outer(context, bot, json)
    with Retuning(bot_folder(bot), wait_s=seconds_for(wait, "--wait"), json=json) as retuning:
        retuning.undo()


def history(context: typer.Context, bot: BotOption = None, json: JsonOption = False) -> None:
    """Every revision of the parameters: who asked, what changed, and what came of it."""
    bot, json = _with_outer(context, bot, json)
    folder = bot_folder(bot)
    runs = what_runs(folder)
    shown = revision_documents(
        Revisions(folder).history(), lambda number: runs is not None and all(each.revision == number for each in runs)
    )
    if json:
        print_json({"running": runs is not None, "revisions": shown})
        return
    table = Table("revision", "asked at", "author", "what changed", "state", "", box=None)
    for each in shown:
        text = each.text if each.state == "refused" else ""
        cells = (
            f"r{each.revision}",
            each.asked_at,
            each.author,
            ", ".join(each.changes) or "nothing",
            each.state,
            text,
        )
        table.add_row(*(Text(one_line(cell)) for cell in cells), style="bold" if each.in_force else None)
    out.print(table)
    _say("in bold: in force" if runs is not None else "no bot runs: nothing is in force")


def revision_documents(revisions: list[Revision], is_in_force: Callable[[int], bool]) -> list[RevisionDocument]:
    """The revisions as they are shown, oldest first."""
    found, before = [], dict[str, object]()
    for each in revisions:
        document = RevisionDocument(
            revision=each.revision,
            author=each.author,
            asked_at=each.asked_at,
            state=each.state,
            in_force=is_in_force(each.revision),
            changes=changes(before, each.params),
            params=each.params,
            text=each.text,
        )
        found.append(document)
        before = before if each.state == "refused" else each.params
    return found


def assigned(assignments: list[str]) -> dict[str, object]:
    """The values by name; `msgspec.UNSET` for one that goes back to its default. Raises a usage error."""
    found: dict[str, object] = {}
    for text in assignments:
        name, is_assigned, value = text.partition("=")
        name = name.strip()
        if not name or not is_assigned:
            raise typer.BadParameter(f"{text!r} sets nothing; write NAME=VALUE, such as momentum.s30=0.5")
        if name in found:
            raise typer.BadParameter(f"{name} is set twice")
        found[name] = msgspec.UNSET if value.strip() == DEFAULT else _value(value)
    return found


def _value(text: str) -> object:
    """JSON, or else the text itself."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter(f"{text!r} is no text in UTF-8") from None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _with_outer(context: typer.Context, bot: BotOption, json: bool) -> tuple[BotOption, bool]:
    """Options before the sub-command hold for it as well."""
    outer_bot, outer_json = context.obj or (None, False)
    return bot or outer_bot, json or outer_json


def _say(text: str, style: str = "") -> None:
    out.print(Text(readable(text), style=style))
