"""`foresight pin`: the release that runs, whatever is saved or merged."""

import time
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.asking import POLL_S, WAIT, WaitOption, author, readable, seconds_for
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.cli.reading import is_running
from foresight.cli.revisions import Revisions
from foresight.cli.stored import entries_of, entry_named, newest
from foresight.runtime.state_files import encode, write_atomic
from tesseract import RequestRefused

OFF = "off"


class Pinned(msgspec.Struct, frozen=True):
    """What the running bot says of the pin."""

    live: str = "nothing"
    pin: str = ""
    last_refusal: str = ""


class Status(msgspec.Struct, frozen=True):
    """The part of `state/observed/status.json` that is needed here."""

    written_at: str
    deploy: Pinned


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight pin v17")(pin)


def pin(
    release: Annotated[str, typer.Argument(metavar="[vN|off]", help="The release, or off; none shows the pin.")] = "",
    bot: BotOption = None,
    wait: WaitOption = WAIT,
    json: JsonOption = False,
) -> None:
    """Pin one release: it runs, and neither a save nor a merge takes its place, until `pin off`."""
    folder = bot_folder(bot)
    wait_s = seconds_for(wait, "--wait")
    if release and release != OFF:
        entry_named(entries_of(folder), release)
    wanted = "" if release == OFF else release
    revisions = Revisions(folder)
    if release:
        with revisions.alone():
            asked = msgspec.structs.replace(revisions.desired(), pin=wanted, author=author())
            write_atomic(revisions.path, encode(asked))
    told = _obeyed(folder, wanted, wait_s) if release and is_running(folder) else None
    if json:
        print_json({"pin": revisions.desired().pin, "live": None if told is None else told.live})
    else:
        out.print(Text(_sentence(revisions.desired().pin, told)))


def _obeyed(folder: BotFolder, wanted: str, wait_s: float) -> Pinned:
    """What the bot says once it does as it is told. Raises RequestRefused when it cannot, or not in time."""
    before, until = _told(folder), time.monotonic() + wait_s
    while time.monotonic() < until:
        now = _told(folder)
        if now.pin == wanted and (not wanted or now.live == wanted):
            return now
        if now.pin == wanted and now.last_refusal != before.last_refusal:
            raise RequestRefused(readable(f"{now.last_refusal}; {wanted} stays pinned, and nothing else goes live"))
        time.sleep(POLL_S)
    raise RequestRefused(f"no answer within {wait_s:g} s; state/desired.json stands")


def _told(folder: BotFolder) -> Pinned:
    status = newest(folder, "status.json", Status)
    return Pinned() if status is None else status.deploy


def _sentence(pinned: str, told: Pinned | None) -> str:
    if told is not None:
        return f"{pinned} is pinned and live" if pinned else f"nothing is pinned; {told.live} is live"
    return f"{pinned} is pinned" if pinned else "nothing is pinned"
