"""One connection: what arrives, in parts or whole, and how its end is told."""

import asyncio
import socket

import pytest
from picows import WSMsgType

from feeds.ws_peers import Server, a_server, until
from foresight.errors import FeedFailed
from foresight.feeds import connection as module
from foresight.feeds.connection import Connection, Ended, connect


class Ears:
    """What a connection has brought."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.ends: list[Ended | None] = []

    async def connect(self, server: Server) -> Connection:
        return await connect(
            server.url, 1, lambda _, frame: self.frames.append(frame), lambda gone: self.ends.append(gone.ended)
        )


def in_a_loop(work) -> None:
    """Runs a test that has a server and ears."""

    async def run() -> None:
        async with a_server() as server:
            await work(server, Ears())

    asyncio.run(run())


def test_texts_go_both_ways() -> None:
    async def work(server: Server, ears: Ears) -> None:
        server.on_text = lambda peer, text: peer.send(text.upper())
        connection = await ears.connect(server)
        connection.say(b"hello")
        await until(lambda: ears.frames)
        assert ears.frames == [b"HELLO"]
        assert connection.frames == 1

    in_a_loop(work)


def test_a_frame_that_comes_with_the_handshake_is_taken() -> None:
    async def work(server: Server, ears: Ears) -> None:
        server.on_open = lambda peer: peer.send(b"first")
        await ears.connect(server)
        await until(lambda: ears.frames == [b"first"])

    in_a_loop(work)


def test_a_message_in_parts_is_one_frame_even_with_a_ping_between_them() -> None:
    async def work(server: Server, ears: Ears) -> None:
        await ears.connect(server)
        (peer,) = server.peers
        peer.send(b"one ", fin=False)
        peer.send(b"two ", WSMsgType.CONTINUATION, fin=False)
        peer.send(b"are you there", WSMsgType.PING)
        peer.send(b"three", WSMsgType.CONTINUATION)
        peer.send(b"whole")
        await until(lambda: len(ears.frames) == 2)
        assert ears.frames == [b"one two three", b"whole"]

    in_a_loop(work)


def test_binary_data_is_taken_as_text_is() -> None:
    async def work(server: Server, ears: Ears) -> None:
        await ears.connect(server)
        server.peers[0].send(b"{}", WSMsgType.BINARY)
        await until(lambda: ears.frames == [b"{}"])

    in_a_loop(work)


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (1000, b"", "closed 1000"),
        (1001, b"deploy", "closed 1001 deploy"),
        (4001, b"auth", "closed 4001 auth"),
        (4008, b"", "closed 4008"),
    ],
)
def test_the_code_and_the_reason_of_a_close_are_told(code: int, reason: bytes, text: str) -> None:
    async def work(server: Server, ears: Ears) -> None:
        await ears.connect(server)
        server.peers[0].close(code, reason)
        await until(lambda: ears.ends)
        (ended,) = ears.ends
        assert ended is not None
        assert (ended.code, ended.text()) == (code, text)

    in_a_loop(work)


def test_an_end_without_a_word_is_1006() -> None:
    async def work(server: Server, ears: Ears) -> None:
        connection = await ears.connect(server)
        server.peers[0].cut()
        await until(lambda: ears.ends)
        assert ears.ends == [Ended(1006, "")]
        assert not connection.is_open
        connection.say(b"too late")

    in_a_loop(work)


def test_our_own_end_is_told_as_ours_and_the_server_hears_why() -> None:
    async def work(server: Server, ears: Ears) -> None:
        connection = await ears.connect(server)
        connection.close("é" * 100)
        await until(lambda: ears.ends and server.peers[0].is_gone)
        (ended,) = ears.ends
        assert ended is not None
        assert ended.by_us
        assert ended.text() == f"closed by us: {'é' * 100}"

    in_a_loop(work)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_message_over_the_limit_ends_the_connection(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    monkeypatch.setattr(module, "FRAME_BYTES_MAX", 100_000)

    async def work(server: Server, ears: Ears) -> None:
        await ears.connect(server)
        for number in range(parts):
            kind = WSMsgType.CONTINUATION if number else WSMsgType.TEXT
            server.peers[0].send(b"x" * (150_000 // parts), kind, fin=number == parts - 1)
        await until(lambda: ears.ends)
        assert ears.frames == []

    in_a_loop(work)


def test_bytes_that_are_no_frame_end_the_connection() -> None:
    async def work(server: Server, ears: Ears) -> None:
        await ears.connect(server)
        server.peers[0].write(b"HTTP/1.1 500 Oops\r\n\r\n" * 10)
        await until(lambda: ears.ends)
        assert ears.frames == []

    in_a_loop(work)


def test_a_reader_that_raises_ends_only_its_connection() -> None:
    async def run() -> None:
        async with a_server() as server:
            ends: list[Connection] = []
            await connect(server.url, 1, lambda _, frame: frame.decode("ascii"), ends.append)
            server.peers[0].send("é".encode())
            await until(lambda: ends)

    asyncio.run(run())


def test_a_server_that_is_not_there_or_is_none_is_told_in_one_sentence() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(FeedFailed, match=f"ws://127.0.0.1:{port}/ cannot be reached: .*[Cc]onnect"):
            await connect(f"ws://127.0.0.1:{port}/", 1, lambda *_: None, lambda _: None)
        async with a_server() as server:
            server.refuses = True
            with pytest.raises(FeedFailed, match="404"):
                await connect(server.url, 1, lambda *_: None, lambda _: None)

    asyncio.run(run())


def test_a_server_that_accepts_and_does_not_shake_hands_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDSHAKE_S", 0.05)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"ws://127.0.0.1:{mute.getsockname()[1]}/"
            with pytest.raises(FeedFailed, match="cannot be reached"):
                await connect(url, 1, lambda *_: None, lambda _: None)

    asyncio.run(run())


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 101 Switching Protocols\r\nUpgr"])
def test_a_server_that_closes_during_the_handshake_is_told_in_one_sentence(
    answer: bytes | None, is_reset: bool
) -> None:
    """Before it has read the request, after it, and in the middle of its answer: what a proxy does whose venue starts
    again."""

    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        if is_reset:
            writer.transport.abort()
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(leaves, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(FeedFailed, match=f"{url} cannot be reached: "):
                await connect(url, 1, lambda *_: None, lambda _: None)

    asyncio.run(run())


def test_a_redirect_to_an_address_that_is_none_is_told_in_one_sentence() -> None:
    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:99999/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(redirects, "127.0.0.1", 0) as server:
            with pytest.raises(FeedFailed, match=r"cannot be reached: .*[Pp]ort"):
                await connect(
                    f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", 1, lambda *_: None, lambda _: None
                )

    asyncio.run(run())


@pytest.mark.parametrize("answers", [True, False])
def test_a_peer_that_is_silent_is_pinged_and_is_gone_when_it_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(module, "PING_IDLE_S", 0.05)

    async def work(server: Server, ears: Ears) -> None:
        server.answers_pings = answers
        await ears.connect(server)
        await until(lambda: server.peers[0].pings > 2 if answers else ears.ends)
        assert bool(ears.ends) is not answers

    in_a_loop(work)
