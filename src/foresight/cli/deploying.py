"""`deploy`, `rollback` and `keep`: what an operator asks of a running bot's live code."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from foresight.cli.asking import WAIT, WaitOption, ask, author, new_id, seconds_for
from foresight.cli.common import BotOption, JsonOption, bot_folder
from foresight.runtime.operator import RequestDocument


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: foresight deploy · foresight deploy main --canary btc-5m,eth-5m · foresight deploy v12"
    )(deploy)
    app.command(epilog="Examples: foresight rollback · foresight rollback v12")(rollback)
    app.command(epilog="Example: foresight keep")(keep)


def deploy(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH | REV",
            help="A folder, a release such as v12, or a git revision; by default the bot's strategy folder.",
        ),
    ] = None,
    bot: BotOption = None,
    canary: Annotated[
        str | None, typer.Option(metavar="SLOTS", help="Only in these slots, such as btc-5m,eth-5m.")
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="First beside what is live, deciding nothing, then live by itself: 30m."),
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stands beside the release.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also what was rejected or rolled back before.")] = False,
    wait: WaitOption = WAIT,
    json: JsonOption = False,
) -> None:
    """Bring code live in the running bot: checked, rehearsed, on probation."""
    kind, where = meant(what)
    document = RequestDocument(
        id=new_id("deploy"),
        action="deploy",
        author=author(),
        what=kind,
        where=where,
        note=note,
        canary=_slots(canary),
        shadow_s=0 if shadow is None else seconds_for(shadow, "--shadow"),
        force=force,
    )
    ask(bot_folder(bot), document, wait=wait, json=json)


def rollback(
    release: Annotated[
        str | None, typer.Argument(metavar="vN", help="The release to go back to; by default the one that stands by.")
    ] = None,
    bot: BotOption = None,
    wait: WaitOption = WAIT,
    json: JsonOption = False,
) -> None:
    """Go back to the release that stands by, at once, or to a named one."""
    where = "" if release is None else release_name(release)
    document = RequestDocument(id=new_id("rollback"), action="rollback", author=author(), where=where)
    ask(bot_folder(bot), document, wait=wait, json=json)


def keep(bot: BotOption = None, wait: WaitOption = WAIT, json: JsonOption = False) -> None:
    """End the probation of what is live: it has proved itself."""
    document = RequestDocument(id=new_id("keep"), action="keep", author=author())
    ask(bot_folder(bot), document, wait=wait, json=json)


def meant(what: str | None) -> tuple[Literal["tree", "commit", "release"], str]:
    """What PATH or REV names, and where it is. A release's name comes first; `./v12` is the folder of that name."""
    if what is None:
        return "tree", ""
    if re.fullmatch(r"v[0-9]{1,12}", what):
        return "release", what
    path = Path(what)
    if what.strip() and path.is_dir():
        return "tree", str(path.absolute())
    if path.exists() or not what.strip():
        raise typer.BadParameter(f"{what!r} is no folder; name the folder of the live code", param_hint="PATH")
    return "commit", what


def release_name(text: str) -> str:
    """`v12` for `v12` or `12`. Raises a usage error for anything else."""
    if not re.fullmatch(r"v?[0-9]{1,12}", text):
        raise typer.BadParameter(f"{text!r} is no release; write a name such as v12", param_hint="vN")
    return f"v{int(text.removeprefix('v'))}"


def _slots(canary: str | None) -> tuple[str, ...]:
    if canary is None:
        return ()
    slots = tuple(dict.fromkeys(part.strip() for part in canary.split(",") if part.strip()))
    if not slots:
        raise typer.BadParameter("name at least one slot, such as btc-5m", param_hint="--canary")
    return slots
