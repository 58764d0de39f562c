"""The tape: the last hour of evaluation inputs of every slot, encoded, so that a candidate can be rehearsed on it."""

from collections import deque

import msgspec

from foresight.markets import SlotId
from foresight.strategy import View

BYTES_MAX = 64 * 1024 * 1024
"""Over this the oldest inputs go first, whatever their age: the tape must not be what ends the process."""


class Tape:
    """Inputs in the order of their evaluation."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._entries: deque[tuple[int, SlotId, bytes]] = deque()
        self._encoder = msgspec.msgpack.Encoder()
        self.bytes = 0

    def add(self, view: View) -> None:
        encoded = self._encoder.encode(view)
        self._entries.append((view.now_ns, view.slot, encoded))
        self.bytes += len(encoded)
        while self._entries and (self._entries[0][0] < view.now_ns - self._keep_ns or self.bytes > BYTES_MAX):
            self.bytes -= len(self._entries.popleft()[2])

    def __len__(self) -> int:
        return len(self._entries)

    def views(self, slot: SlotId) -> list[View]:
        """The slot's inputs, oldest first."""
        return [msgspec.msgpack.decode(entry, type=View) for _, name, entry in self._entries if name == slot]
