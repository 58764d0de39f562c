"""Makes `.venv-peer`, the environment of the NautilusTrader peer; it needs Python 3.12 or later and 72 MB from PyPI.

Nothing of Foresight is in it, and nothing of the peer is in Foresight's. Prints one JSON document; exit code 1 with a
sentence when the peer cannot be installed here.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from measuring import Document, arguments, tell

PEER = "nautilus_trader==2.0.0rc7"
VENV = Path(__file__).resolve().parent.parent / ".venv-peer"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 12)
INSTALL_S_MAX = 600


class PeerUnavailableError(Exception):
    """The peer cannot be installed on this machine; the text says why."""


def interpreter() -> str:
    """A Python that the peer's wheel takes: ours, or another one on the path or below pyenv's folder."""
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.1[23].*/bin/python3"), reverse=True)
    named = [shutil.which(name) for name in ("python3.13", "python3.12", "python3")]
    for candidate in (sys.executable, *named, *map(str, pyenv)):
        if candidate is not None and _is_new_enough(candidate):
            return candidate
    raise PeerUnavailableError("the peer's wheel needs Python 3.12 or later, and none was found")


def _is_new_enough(python: str) -> bool:
    check = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST})"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def peer_python() -> Path:
    """The interpreter of the peer's environment, which is made if it is missing. Raises PeerUnavailableError."""
    if PYTHON.exists() and _has_peer():
        return PYTHON
    _run([interpreter(), "-m", "venv", str(VENV)])
    _run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER])
    return PYTHON


def _has_peer() -> bool:
    check = "from importlib.metadata import version; version('nautilus_trader')"
    return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_S_MAX)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "no output").strip().splitlines()[-1]
        raise PeerUnavailableError(f"{PEER} cannot be installed here: {last}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailableError(f"{PEER} cannot be installed here: {error}") from None


def main() -> int:
    arguments("Make the environment of the NautilusTrader peer.").parse_args()
    document: Document = {"peer": PEER, "venv": str(VENV)}
    try:
        peer_python()
    except PeerUnavailableError as error:
        tell({**document, "ready": False, "why": str(error)})
        return 1
    tell({**document, "ready": True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
