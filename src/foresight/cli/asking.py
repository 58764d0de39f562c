"""How a command asks a running bot for something, and waits for the word on it.

A request is one file, written whole or not at all. Its answer is another one, at first `accepted`, at last `done` or
`refused`; the bot replaces it in one step, and takes the request away with the last one.
"""

import contextlib
import getpass
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.common import err, out, print_json, seconds_of
from foresight.cli.reading import is_running
from foresight.cli.stored import entries_of, entry_named
from foresight.runtime.clock import wall_ns
from foresight.runtime.operator import AnswerDocument, RequestDocument
from foresight.runtime.state_files import encode, write_atomic
from foresight.view.writing import one_line
from tesseract import RequestRefused

POLL_S = 0.020
ALIVE_S = 0.25
"""How often it is looked whether the bot still runs."""
WAIT = "120s"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

WaitOption = Annotated[
    str, typer.Option("--wait", metavar="TIME", help="How long to wait for the answer: 90s, 10m. What is asked stands.")
]


def ask(folder: BotFolder, document: RequestDocument, *, wait: str, json: bool) -> None:
    """Asks the running bot, waits, and prints the answer. Raises RequestRefused for a refusal, when no bot runs, and
    when no answer comes in time."""
    wait_s = seconds_for(wait, "--wait")
    _require_possible(folder, document)
    path = folder.requests / f"{document.id}.json"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, _encoded(document))
    try:
        answer = wait_for_answer(folder, document.id, stands=path, wait_s=wait_s, is_quiet=json)
    except BotStopped:
        path.unlink(missing_ok=True)
        raise RequestRefused(
            f"the bot was stopped before it answered {document.id}, and the request is withdrawn; "
            "`foresight releases` tells what became of it"
        ) from None
    tell(answer, json=json)


class BotStopped(RequestRefused):
    """The bot that was asked does not run any more."""


def wait_for_answer(folder: BotFolder, name: str, *, stands: Path, wait_s: float, is_quiet: bool) -> AnswerDocument:
    """The last word on a request, or a first one that has a text: it says what goes on for long. `stands` is the file
    that asks for it. Raises RequestRefused when no answer comes in time, and BotStopped when none will."""
    path = folder.answers / f"{name}.json"
    until, look_at = time.monotonic() + wait_s, time.monotonic()
    with _progress(is_quiet=is_quiet) as say:
        while True:
            now = time.monotonic()
            has_stopped = now >= look_at and not is_running(folder)
            found = _answer_at(path)
            if found is not None and (found.state != "accepted" or found.text):
                return found
            if has_stopped:
                raise BotStopped(f"the bot was stopped before it answered {name}")
            if now >= until:
                raise RequestRefused(f"no answer within {wait_s:g} s; {stands} stands, and its answer will be {path}")
            look_at = now + ALIVE_S if now >= look_at else look_at
            say("asked …" if found is None else "accepted … staging and rehearsing")
            time.sleep(POLL_S)


def _answer_at(path: Path) -> AnswerDocument | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=AnswerDocument)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RequestRefused(f"the answer {path} cannot be read: {error}") from None


@contextlib.contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[str], None]]:
    """Says where a request is, on a terminal only."""
    if is_quiet or not err.is_terminal:
        yield lambda _text: None
        return
    with err.status("asked …") as status:
        yield lambda text: status.update(Text(text))


def tell(answer: AnswerDocument, *, json: bool) -> None:
    """Prints the answer. Raises RequestRefused with the sentence of a refusal."""
    if json:
        print_json(answer)
    if answer.state == "refused":
        raise RequestRefused(readable(answer.text))
    if json:
        return
    out.print(Text(readable(answer.text)))
    if answer.state == "accepted":
        out.print(Text(f"the last word on {answer.id} follows; `foresight releases` and `foresight status` show it"))


def readable(text: str) -> str:
    """Foreign text that moves no cursor; its lines stay lines."""
    return "\n".join(one_line(line.expandtabs()) for line in text.split("\n"))


def _require_possible(folder: BotFolder, document: RequestDocument) -> None:
    """Raises RequestRefused when nobody would carry it out, and for a release that there is none of."""
    if not is_running(folder):
        raise RequestRefused(
            f"{document.action} is refused: no bot runs in {folder.root}, and nothing was asked; "
            "start it with `foresight run`"
        )
    if document.where and (document.action == "rollback" or document.what == "release"):
        entry_named(entries_of(folder), document.where)


def new_id(action: str) -> str:
    """An id that no other request has."""
    number, digits = wall_ns(), ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"{action}-{digits}-{os.getpid()}"


def author() -> str:
    """Who asks, as far as this machine knows."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "operator"


def seconds_for(text: str, option: str) -> float:
    """`90s`, `10m`, `12h` as seconds. Raises a usage error that names the option."""
    try:
        return seconds_of(text)
    except typer.BadParameter as wrong:
        raise typer.BadParameter(wrong.message, param_hint=option) from None


def _encoded(document: RequestDocument) -> bytes:
    try:
        return encode(document)
    except UnicodeEncodeError as error:
        raise RequestRefused(f"what is asked is no text in UTF-8: {error.object!r}; nothing was asked") from None
