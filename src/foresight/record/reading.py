"""Reads one run's record: its events by number, and by name whatever is not there."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import polars as pl

from foresight.errors import RecordRefused
from foresight.record.index import Missing, Removed, Segment, read_lines
from foresight.record.kinds import Recorded
from foresight.record.rows import events_of
from foresight.record.segments import digest_of

PATTERN = "[0-9]*.parquet"


class Hole(msgspec.Struct, frozen=True):
    """Market inputs from `first` to `last` that the record cannot give, and what is known of them."""

    first: int
    last: int
    text: str


class RunRecord:
    """One run's record as it is on disk now. `complete_to` is the last input up to which it is known what is there and
    what is not; `problems` are sentences about everything that is not as it was written."""

    def __init__(self, folder: Path) -> None:
        """Raises RecordRefused where there is no such folder."""
        if not folder.is_dir():
            raise RecordRefused(f"{folder} is not there: this run has no record")
        self.folder = folder
        lines = list(read_lines(folder))
        self.problems = [line for line in lines if isinstance(line, str)]
        self.segments = {line.name: line for line in lines if isinstance(line, Segment)}
        self.removed = {line.name: line.why for line in lines if isinstance(line, Removed)}
        self.holes = [_lost(line) for line in lines if isinstance(line, Missing)]
        self.complete_to = max((line.last for line in lines if isinstance(line, Segment | Missing)), default=0)

    def files(self) -> list[Path]:
        """The segments that are there, in the order of their inputs."""
        return sorted(self.folder.glob(PATTERN))

    def names(self) -> list[str]:
        """Of all segments that are there or should be, in the order of their inputs."""
        return sorted({*self.segments, *self.removed, *(path.name for path in self.files())})

    def events(self) -> Iterator[tuple[int, Recorded]]:
        """Every event that is whole, by its number. A segment that is damaged or not there becomes a hole, and a
        sentence in `problems`; those after it are still given."""
        for name in self.names():
            try:
                yield from self._events_in(name)
            except RecordRefused as refused:
                self._refuse(name, str(refused))

    def content(self, name: str) -> bytes:
        """A segment's bytes, checked where the index has their digest. Raises RecordRefused, naming it, for one that is
        not there or not as it was written."""
        listed, path = self.segments.get(name), self.folder / name
        if not path.exists():
            why = f"has been deleted {self.removed[name]}" if name in self.removed else "is missing"
            raise RecordRefused(f"segment {path} {why}")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RecordRefused(f"segment {path} cannot be read: {error.strerror}") from None
        if listed is not None and (len(content), digest_of(content)) != (listed.bytes, listed.digest):
            torn = f"torn: {len(content)} of {listed.bytes} bytes" if len(content) < listed.bytes else "damaged"
            raise RecordRefused(f"segment {path} is {torn}")
        return content

    def _events_in(self, name: str) -> list[tuple[int, Recorded]]:
        content = self.content(name)
        try:
            found = events_of(pl.read_parquet(BytesIO(content)))
        except Exception as error:  # noqa: BLE001 - whatever polars makes of bytes that are no table: the file is named
            raise RecordRefused(f"segment {self.folder / name} cannot be read: {error}") from None
        if name not in self.segments and found:
            self.complete_to = max(self.complete_to, found[-1][0])
        return found

    def _refuse(self, name: str, text: str) -> None:
        listed = self.segments.get(name)
        first = _first_of(name) if listed is None else listed.first
        last = self._before_next(name, first) if listed is None else listed.last
        self.holes.append(Hole(first, last, text))
        self.problems.append(f"{text}; it held inputs {first:,} to {last:,}")

    def _before_next(self, name: str, first: int) -> int:
        """A segment that no index names ends before the next one."""
        later = [_first_of(other) for other in self.segments if other > name]
        return max(first, min(later, default=self.complete_to + 1) - 1)

    def why(self, seq: int) -> str | None:
        """What is known of an input that is not there; None where the record should have it if it were market data, or
        where nothing is known."""
        return next((hole.text for hole in self.holes if hole.first <= seq <= hole.last), None)

    def end(self) -> str:
        """Where it ends, and what is known of what comes after."""
        damaged = f" ({self.holes[-1].text})" if self.holes and self.holes[-1].last >= self.complete_to else ""
        return f"the record ends at input {self.complete_to:,}{damaged}"


def _first_of(name: str) -> int:
    return int(name.removesuffix(".parquet"))


def _lost(line: Missing) -> Hole:
    text = f"{line.count:,} market inputs were not recorded ({line.why})"
    return Hole(line.first, line.last, text)
