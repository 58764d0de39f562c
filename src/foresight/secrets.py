"""Secrets: what looks like one, where they come from, and a wrapper that does not show them.

A secret comes from the environment variable `FORESIGHT_SECRET_<NAME>` or from the TOML file that `[secrets] file`
names, and the environment wins. It never stands in `bot.toml`. Functions that hold a raw value return their refusal
as text instead of raising it, so that no traceback has a frame with the value in its local variables.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn, Protocol, SupportsIndex

from foresight.errors import Problem, SecretRefused
from foresight.toml_places import DEPTH_MAX, Keys, shown, shown_key

NOT_HERE = (
    "secrets come from the environment (FORESIGHT_SECRET_<NAME>) or from a file outside the bot folder that "
    "`[secrets] file` names; take it out, and replace it if anybody else may have seen it"
)
ORACLE_SECRETS = ("polymarket_key", "polymarket_secret", "polymarket_passphrase")
"""What the real venue's oracle wants even to be read."""
PREFIX = "FORESIGHT_SECRET_"
HIDDEN = "***"
FILE_BYTES_MAX = 65_536
"""Files of settings and secrets have a few lines; the limit keeps a wrong file from being parsed for minutes."""

LINE_SHOWN_MAX = 80
SECRET_BITS = 200
"""A whole number of 64 digits has more bits than this, and no setting does."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECRET_NAME = re.compile(r"secret|private[_-]?key|api[_-]?key|passphrase|mnemonic|token|password", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"[0-9a-fA-F]{64,}")


class NamesFile(Protocol):
    """The `[secrets]` table."""

    @property
    def file(self) -> str: ...


class SecretsHome(Protocol):
    """What a configuration says of where secrets are kept."""

    @property
    def folder(self) -> Path: ...
    @property
    def secrets(self) -> NamesFile: ...
    @property
    def secrets_file(self) -> Path | None: ...


class Secret:
    """A value that shows as `***` everywhere; only `reveal()` gives it. It cannot be copied, pickled or encoded."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret cannot be serialised or copied")


def load_secrets(config: SecretsHome, environ: Mapping[str, str]) -> dict[str, Secret]:
    """Every secret by its lower-case name: `FORESIGHT_SECRET_API_KEY` and the file's `api_key` are both `api_key`.

    Raises SecretRefused for a file inside the bot folder, a file that group or others may use, and a name or value
    that cannot be one. The message never holds a value.
    """
    kept, problems = _from_environment(environ)
    del environ  # A traceback from here on must not have the values among its local variables.
    in_file, problem = _from_file(config)
    problems += [problem] if problem else []
    if problems:
        raise SecretRefused("secrets are refused; none was loaded:\n  - " + "\n  - ".join(problems))
    return in_file | kept


def resolved_file(folder: Path, file: str) -> Path:
    """The real path of `[secrets] file`; a relative one starts at the bot folder. Raises OSError or ValueError."""
    try:
        return (folder / Path(file).expanduser()).resolve()
    except RuntimeError as error:  # An unknown `~user`, and, before Python 3.13, a loop of links.
        raise OSError(str(error)) from None


def file_problem(config: SecretsHome) -> str:
    """What is wrong with the place that `[secrets] file` names, or an empty text."""
    try:
        path = config.secrets_file
    except (OSError, ValueError):
        return "it should be a path that can be followed"
    if path is not None and path.is_relative_to(config.folder.resolve()):
        return f"it should lie outside the bot folder {config.folder}: move the file, and name its new place here"
    return ""


def is_secret_name(name: str) -> bool:
    """Whether a key's name says that its value is a secret, or the name itself looks like one."""
    return bool(_SECRET_NAME.search(name)) or is_secret_value(name)


def is_secret_value(value: object) -> bool:
    """Whether a plain value looks like a key: 64 hexadecimal digits in a row, or a number of that size."""
    if isinstance(value, int):
        return value.bit_length() > SECRET_BITS
    return isinstance(value, str) and bool(_SECRET_TEXT.search(value))


def secret_paths(content: object, path: Keys = ()) -> list[Keys]:
    """Where a document seems to hold secrets, at most DEPTH_MAX deep: keys so named, and values that look like keys.

    The table `[secrets]` itself is none.
    """
    is_own_table = path == ("secrets",) and isinstance(content, dict)
    if is_secret_value(content) or (path and not is_own_table and is_secret_name(str(path[-1]))):
        return [path]
    inner: Iterable[tuple[str | int, object]] = ()
    if len(path) < DEPTH_MAX and isinstance(content, dict):
        inner = content.items()
    elif len(path) < DEPTH_MAX and isinstance(content, list):
        inner = enumerate(content)
    return [found for key, value in inner for found in secret_paths(value, (*path, key))]


def syntax_problem(file: str, text: str, error: str) -> Problem:
    """Why a text is not TOML, and where, by tomllib's message. The line is shown unless a secret may stand there."""
    position = re.search(r" \(at line (\d+), column (\d+)\)$", error)
    number = int(position[1]) if position else text.count("\n") + 1
    place = f"{file}:{number}, column {position[2]}" if position else f"{file}:{number}"
    line = text.split("\n")[number - 1].strip()
    if not _may_show(text, line):
        return Problem(place, "not valid TOML", "the line is not shown, because there may be a secret in it")
    return Problem(place, f"not valid TOML, {error}", f"the line is `{line[:LINE_SHOWN_MAX]}`")


def _may_show(text: str, line: str) -> bool:
    """Whether neither the line nor the text, comments apart, has anything like a secret.

    The whole text counts, because the line may be the inside of a secret's value.
    """
    spoken = [other for other in text.split("\n") if not other.lstrip().startswith("#")]
    return not any(is_secret_name(other) for other in (*spoken, line) if other.strip() != "[secrets]")


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Secret], list[str]]:
    kept: dict[str, Secret] = {}
    problems = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        problem = _problem_of(variable.removeprefix(PREFIX).lower(), environ[variable])
        if problem:
            problems.append(f"environment variable {shown_key(variable)} {problem}")
        else:
            kept[variable.removeprefix(PREFIX).lower()] = Secret(environ[variable])
    return kept, problems


def _from_file(config: SecretsHome) -> tuple[dict[str, Secret], str]:
    """The file's secrets and an empty text, or no secrets and what is wrong."""
    misplaced = file_problem(config)
    if misplaced:
        return {}, f"[secrets] file is {shown(config.secrets.file)}; {misplaced}"
    path = config.secrets_file
    if path is None:
        return {}, ""
    text, problem = _private_text(path)
    if problem:
        return {}, problem
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        position = re.search(r"\(at line \d+, column \d+\)$", str(error))
        return {}, f"{path} is not valid TOML {position.group() if position else ''}".rstrip()
    wrong = [
        f"{name if _NAME.fullmatch(name) else f'key {number}'} {why}"
        for number, (name, value) in enumerate(document.items(), start=1)
        if (why := _problem_of(name, value))
    ]
    if wrong:
        return {}, f"{path}: {'; '.join(wrong)}"
    return {name: Secret(value) for name, value in document.items()}, ""


def _private_text(path: Path) -> tuple[str, str]:
    """The file's text, or what is wrong; the other is empty. What is checked is the open file itself, not its name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # A pipe would block otherwise.
    except OSError as error:
        return "", f"{path} cannot be read: {error.strerror}"
    try:
        problem = _access_problem(path, os.fstat(descriptor))
        return ("", problem) if problem else (os.read(descriptor, FILE_BYTES_MAX).decode("utf-8"), "")
    except OSError as error:
        return "", f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", f"{path} is not text in UTF-8"
    finally:
        os.close(descriptor)


def _access_problem(path: Path, status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a plain file"
    if status.st_mode & 0o077:
        return f"{path} is open to group or others: run `chmod 600 {path}`"
    return f"{path} has more than {FILE_BYTES_MAX} bytes" if status.st_size > FILE_BYTES_MAX else ""


def _problem_of(name: str, value: object) -> str:
    """What is wrong with one secret, or an empty text."""
    if not _NAME.fullmatch(name):
        return "is not a name of letters, digits and underscores that starts with a letter (at most 64)"
    if not isinstance(value, str):
        return "must be a text in quotes"
    return "" if value.strip() else "is empty"
