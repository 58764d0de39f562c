"""A conversation on the program's loop: nothing is waited for, nothing is lost, and the end is told once."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from tesseract import PeerGone
from tesseract.channel import Channel
from tesseract.wire import FRAME_BYTES_MAX, LENGTH_BYTES, Link, frame


class Said(msgspec.Struct, frozen=True, tag=True):
    """A message."""

    number: int
    body: bytes = b""


class Bench:
    """A channel, what it heard, and the other side's socket."""

    def __init__(self, **options: int) -> None:
        ours, self.theirs = socket.socketpair()
        self.heard: list[Said] = []
        self.ends = 0
        self.channel = Channel(asyncio.get_running_loop(), ours, self._received, self._ended, **options)
        self.channel.start()

    def _received(self, body: bytes) -> None:
        self.heard.append(msgspec.msgpack.decode(body, type=Said))

    def _ended(self) -> None:
        self.ends += 1

    def close(self) -> None:
        self.channel.close()
        self.theirs.close()


def on_a_loop(story: Callable[[Bench], Awaitable[None]], **options: int) -> None:
    async def run() -> None:
        bench = Bench(**options)
        try:
            await story(bench)
        finally:
            bench.close()

    asyncio.run(run())


async def turns(count: int = 10) -> None:
    """Gives the loop time for what has arrived."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_arrives_is_told_in_its_order() -> None:
    async def story(bench: Bench) -> None:
        bench.theirs.sendall(frame(Said(1)) + frame(Said(2))[:4])
        await turns()
        assert bench.heard == [Said(1)]
        bench.theirs.sendall(frame(Said(2))[4:])
        await turns()
        assert bench.heard == [Said(1), Said(2)]

    on_a_loop(story)


def test_sending_never_waits_and_what_did_not_fit_goes_out_later_in_its_order() -> None:
    async def story(bench: Bench) -> None:
        other: Link[Said] = Link(bench.theirs, Said)
        sent = [Said(number, b"x" * 300_000) for number in range(20)]
        for said in sent:
            bench.channel.send(said)
        found = [await asyncio.to_thread(other.receive, 10.0) for _ in sent]
        assert found == sent

    on_a_loop(story)


def test_files_that_have_to_wait_go_out_although_the_sender_has_closed_its_own() -> None:
    async def story(bench: Bench) -> None:
        other: Link[Said] = Link(bench.theirs, Said)
        bench.channel.send(Said(1, b"x" * 3_000_000))
        file = os.memfd_create("test")
        os.write(file, b"kept")
        bench.channel.send(Said(2), (file,))
        os.close(file)
        numbers = [(await asyncio.to_thread(other.receive, 10.0)).number for _ in range(2)]
        (came,) = other.take_files(1)
        assert (numbers, os.pread(came, 10, 0)) == ([1, 2], b"kept")
        os.close(came)

    on_a_loop(story)


def test_files_that_arrive_wait_for_whoever_expects_them() -> None:
    async def story(bench: Bench) -> None:
        file = os.memfd_create("test")
        socket.send_fds(bench.theirs, [frame(Said(1))], [file])
        os.close(file)
        await turns()
        (came,) = bench.channel.take_files(1)
        os.close(came)
        with pytest.raises(PeerGone, match="1 files were announced, and 0 came"):
            bench.channel.take_files(1)

    on_a_loop(story)


def test_from_a_peer_that_has_no_files_to_send_none_are_taken() -> None:
    async def story(bench: Bench) -> None:
        file = os.memfd_create("test")
        socket.send_fds(bench.theirs, [frame(Said(1))], [file] * 4)
        os.close(file)
        await turns()
        assert (bench.heard, list(bench.channel.files)) == ([Said(1)], [])

    on_a_loop(story, files_max=0)


def test_the_end_of_the_other_side_is_told_once_after_all_that_it_said() -> None:
    async def story(bench: Bench) -> None:
        bench.theirs.sendall(frame(Said(1)))
        bench.theirs.close()
        await turns()
        assert (bench.heard, bench.ends, bench.channel.is_open) == ([Said(1)], 1, False)

    on_a_loop(story)


def test_a_length_that_nobody_here_would_send_is_the_end() -> None:
    async def story(bench: Bench) -> None:
        bench.theirs.sendall(frame(Said(1)) + (FRAME_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"))
        await turns()
        assert (bench.ends, bench.channel.is_open) == (1, False)

    on_a_loop(story)


def test_sending_to_a_peer_that_has_left_is_no_error_and_its_end_is_told() -> None:
    async def story(bench: Bench) -> None:
        bench.theirs.close()
        bench.channel.send(Said(1))
        await turns()
        assert bench.ends == 1

    on_a_loop(story)


def test_a_channel_that_was_closed_here_tells_no_end() -> None:
    async def story(bench: Bench) -> None:
        bench.channel.close()
        bench.channel.close()
        await turns()
        assert bench.ends == 0

    on_a_loop(story)
