"""An event loop on a thread of its own, for what the program's loop should not spend its time on.

Nothing is shared but what is handed over: both sides give each other functions to call, in order, and neither waits.
The interpreter runs one thread at a time, so this takes no less time in all; but what is done here is no step of the
program's loop, which goes on at every system call in between.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tesseract.mailbox import Mailbox

Result = TypeVar("Result")


class SideLoop:
    """Runs from the start until `close`. Processes that are started here and die with their parent die with this
    thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._box = Mailbox(self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def tell(self, function: Callable[..., object], *given: object) -> None:
        """Has the function called there, after everything told before. Once closed nothing is called any more."""
        self._box.put(function, *given)

    def tell_later(self, seconds: float, function: Callable[..., object], *given: object) -> None:
        """As `tell`, of this loop's own thread and not at once."""
        self._loop.call_later(seconds, function, *given)

    def ask(self, function: Callable[[asyncio.AbstractEventLoop], Result]) -> Result:
        """Has the function called there, with the loop, and waits for what it returns or raises."""
        asked: Future[Result] = Future()

        def answer() -> None:
            try:
                asked.set_result(function(self._loop))
            except BaseException as error:  # noqa: BLE001 - raised where it was asked for
                asked.set_exception(error)

        self._box.put(answer)
        return asked.result()

    def close(self) -> None:
        """Everything told before is done first."""
        self.tell(self._loop.stop)
        self._thread.join()
        self._box.close()
        self._loop.close()
