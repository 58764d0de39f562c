"""Makes `.venv-reloaders`, the environment of the tools that reload code in place. It needs Python 3.12 or later."""

import subprocess
import sys
from pathlib import Path

from measuring import Document, arguments, tell
from peer_setup import PeerUnavailableError, interpreter

PEERS = ("ipython==9.18.1", "jurigged==0.6.1", "hmr==0.7.6.3", "msgspec==0.22.0")
VENV = Path(__file__).resolve().parent.parent / ".venv-reloaders"
PYTHON = VENV / "bin" / "python"
INSTALL_S_MAX = 600


def reloaders_python() -> Path:
    """The interpreter of that environment, which is made if it is missing. Raises PeerUnavailableError."""
    if PYTHON.exists() and _run([str(PYTHON), "-c", "import IPython, jurigged, reactivity, msgspec"]).returncode == 0:
        return PYTHON
    for command in (
        [interpreter(), "-m", "venv", str(VENV)],
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS],
    ):
        done = _run(command)
        if done.returncode != 0:
            last = (done.stderr or "no output").strip().splitlines()[-1]
            raise PeerUnavailableError(f"{', '.join(PEERS)} cannot be installed here: {last}")
    return PYTHON


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S_MAX)


def main() -> int:
    arguments("Make the environment of the tools that reload in place.").parse_args()
    document: Document = {"peers": list(PEERS), "venv": VENV.name}
    try:
        reloaders_python()
    except PeerUnavailableError as error:
        tell({**document, "ready": False, "why": str(error)})
        return 1
    tell({**document, "ready": True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
