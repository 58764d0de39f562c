"""What a run takes of a bot's folder: the lock, so that nobody else runs this bot, and a numbered folder of its own."""

import fcntl
import os
import re
import time
from pathlib import Path
from typing import IO

from foresight.bot_folder import BotFolder
from foresight.errors import BotBusy
from foresight.runtime.state_files import open_lock

LOCK_ATTEMPTS = 5
LOCK_RETRY_S = 0.05


def lock(folder: BotFolder) -> IO[str]:
    """Makes the bot's folders and holds its lock until the file is closed. Raises BotBusy while another process runs
    this bot."""
    for part in (folder.state, folder.observed, folder.requests, folder.data, folder.releases, folder.runs):
        part.mkdir(parents=True, exist_ok=True)
    file = open_lock(folder.state / "lock", makes_it=True)
    try:
        _take(file)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise BotBusy(
            f"{folder.root} is already run by process {holder}; stop it first, or use another --bot"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _take(file: IO[str]) -> None:
    """Takes the lock. Somebody who only looks at it holds it for a moment, so it is tried a few times."""
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == LOCK_ATTEMPTS - 1:
                raise
            time.sleep(LOCK_RETRY_S)
        else:
            return


def new_run(folder: BotFolder, origin: str) -> Path:
    """A new folder, numbered after the last; other names there do not count."""
    found = (re.match(r"(\d+)-", path.name) for path in folder.runs.iterdir())
    run = folder.runs / f"{max((int(name[1]) for name in found if name), default=0) + 1:04d}-{origin}"
    run.mkdir()
    return run
