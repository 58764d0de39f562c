"""A loop on a thread of its own: told in order, asked with an answer, and ended with nothing left."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tesseract.side_loop import SideLoop


@pytest.fixture
def side() -> Iterator[SideLoop]:
    made = SideLoop("beside")
    yield made
    made.close()


def test_what_is_told_is_done_there_in_order(side: SideLoop) -> None:
    done: list[tuple[int, str]] = []
    for number in range(100):
        side.tell(lambda at: done.append((at, threading.current_thread().name)), number)
    side.ask(lambda _loop: None)
    assert done == [(number, "beside") for number in range(100)]


def test_asking_gives_what_was_returned_and_the_loop_it_ran_on(side: SideLoop) -> None:
    loop = side.ask(lambda loop: loop)
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert side.ask(lambda again: again is loop)


def test_what_is_asked_raises_where_it_was_asked_and_the_loop_goes_on(side: SideLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        side.ask(lambda _loop: 1 // 0)
    assert side.ask(lambda _loop: 1) == 1


def test_what_is_told_later_comes_after_what_is_told_now(side: SideLoop) -> None:
    done: list[str] = []
    came = threading.Event()
    side.ask(
        lambda _loop: (
            side.tell_later(0.01, lambda: (done.append("later"), came.set())),
            side.tell(done.append, "now"),
        )
    )
    assert came.wait(5.0)
    assert done == ["now", "later"]


def test_it_ends_with_what_it_was_told_done_and_no_thread_left() -> None:
    side = SideLoop("ends")
    done: list[int] = []
    for number in range(10):
        side.tell(done.append, number)
    side.close()
    assert done == list(range(10))
    assert "ends" not in [thread.name for thread in threading.enumerate()]
    side.tell(done.append, 10)
    assert done == list(range(10)), "once closed nothing is called"
