"""Runs a script in the official clients' environment and gives what it printed; makes that environment."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
WAIT_S = 120.0


def make_environment() -> None:
    """By the Makefile, once, whoever of several test processes comes first."""
    with (ROOT / ".venv-clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", "--quiet", "clients", f"PYTHON={sys.executable}"],
            cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr


def talk(script: str, *words: str) -> Any:
    """The document that `tests/clients/<script>.py WORDS` prints."""
    done = subprocess.run(
        [str(PYTHON), str(Path(__file__).parent / f"{script}.py"), *words],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"{script} {words}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return json.loads(done.stdout)
