"""The `git` command, for reading only: never asks anybody, never waits for ever, and is never led astray by the
environment it runs in or by a name that looks like an option."""

import os
import signal
import subprocess
from pathlib import Path

from tesseract.errors import TesseractError

TIMEOUT_S = 60.0
KEPT = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"})
"""What is passed on of git's own variables: how a remote is reached. The others would point to another repository,
as they do when the program was started by a hook of git."""
SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false")
QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "LC_ALL": "C",
}


class GitRefused(TesseractError):
    """Git could not do what was asked. Nothing has changed: what runs goes on."""

    def __init__(self, doing: str, reason: str) -> None:
        self.doing = doing
        self.reason = reason
        super().__init__(f"git refused {doing}: {reason}; nothing was changed")

    @property
    def to_a_follower(self) -> str:
        """The sentence where the branch is followed: following it goes on as well."""
        return f"{self}, and the branch is still followed"


def git(folder: Path, *words: str, doing: str, given: bytes = b"", timeout_s: float = TIMEOUT_S) -> bytes:
    """What the command prints. Raises `GitRefused` with `doing` and the last line of its complaint."""
    settings = (word for setting in SETTINGS for word in ("-c", setting))
    command = ("git", "-C", str(folder), "--no-pager", *settings, *words)
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and every name follows --end-of-options or is a whole ref
            command,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # no git, or a name with a null byte
        raise GitRefused(doing, str(error)) from None
    with process:
        try:
            said, complaint = process.communicate(given, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with it the ssh or the helper that it waits for
            raise GitRefused(doing, f"it did not end within {timeout_s:g} s") from None
    if process.returncode:
        raise GitRefused(doing, _last_line(complaint) or f"it ended with {process.returncode}")
    return said


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in KEPT}
    return {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **inherited, **QUIET}


def _last_line(complaint: bytes) -> str:
    """The line that says what failed: git puts advice after it."""
    lines = [line.strip() for line in complaint.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (telling or lines or [""])[-1]
