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
        self._kept: dict[str, str] = {}

    def take(self, kind: str, why: str, frame: bytes, at_ns: int) -> None:
        self.counts[kind] += 1
        self.why.setdefault(kind, why)
        if kind in self._kept or len(self._kept) >= KINDS_KEPT_MAX or len(self._waiting) >= WRITES_WAITING_MAX:
            return
        self._kept[kind] = self._name(kind)
        shown = frame[:BYTES_KEPT_MAX].decode("utf-8", "backslashreplace")
        self._waiting.append(Reject(kind, why, at_ns, len(frame), shown))

    def _name(self, kind: str) -> str:
        """Of its file; kinds that differ only in letters that a file name should not have are numbered."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", kind).lstrip(".")
        return f"{name}.json" if f"{name}.json" not in self._kept.values() else f"{name}.{len(self._kept)}.json"

    def write(self) -> None:
        """Writes what waits. Raises OSError; what was not written waits on."""
        while self._waiting:
            reject = self._waiting[0]
            self._folder.mkdir(parents=True, exist_ok=True)
            content = msgspec.json.format(msgspec.json.encode(reject), indent=2)
            (self._folder / self._kept[reject.kind]).write_bytes(content + b"\n")
            self._waiting.pop(0)
