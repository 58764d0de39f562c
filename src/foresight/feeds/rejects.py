"""What did not parse: counted by kind, and the first of each kind kept, so that somebody can look at it."""

import re
from collections import Counter
from pathlib import Path

import msgspec

KINDS_KEPT_MAX = 200
"""Files under `data/rejects/`. Kinds are a bounded set; the limit guards the disk all the same."""
BYTES_KEPT_MAX = 65_536
WRITES_WAITING_MAX = 50


class Reject(msgspec.Struct, frozen=True):
    """The first frame of its kind. `frame` is cut to `BYTES_KEPT_MAX`; `at_ns` is venue time."""

    kind: str
    why: str
    at_ns: int
    bytes: int
    frame: str


class Rejects:
    """Counts on the loop; files are written by whoever calls `write`, off the loop."""

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.why: dict[str, str] = {}
        self._folder = folder
        self._waiting: list[Reject] = []
        self._kept = 0

    def take(self, kind: str, why: str, frame: bytes, at_ns: int) -> None:
        self.counts[kind] += 1
        if self.counts[kind] > 1:
            return
        self.why[kind] = why
        if self._kept < KINDS_KEPT_MAX and len(self._waiting) < WRITES_WAITING_MAX:
            self._kept += 1
            shown = frame[:BYTES_KEPT_MAX].decode("utf-8", "backslashreplace")
            self._waiting.append(Reject(kind, why, at_ns, len(frame), shown))

    def write(self) -> None:
        """Writes what waits. Raises OSError; what was not written waits on."""
        while self._waiting:
            reject = self._waiting[0]
            self._folder.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", reject.kind)
            content = msgspec.json.format(msgspec.json.encode(reject), indent=2)
            (self._folder / f"{name}.json").write_bytes(content + b"\n")
            self._waiting.pop(0)
