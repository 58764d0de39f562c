"""Frames between processes: whole or not yet, never of a size that nobody sends, and files beside them."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesseract import PeerGone
from tesseract.wire import FRAME_BYTES_MAX, LENGTH_BYTES, Frames, Link, decoder, frame


class Hello(msgspec.Struct, frozen=True, tag=True):
    """A message."""

    number: int
    body: bytes = b""


class Goodbye(msgspec.Struct, frozen=True, tag=True):
    """Another one."""

    path: Path


Message = Hello | Goodbye


@pytest.fixture
def ends() -> Iterator[tuple[Link[Message], socket.socket]]:
    """A link, and the raw socket of the other side."""
    ours, theirs = socket.socketpair()
    link: Link[Message] = Link(ours, Message, send_s=0.2)
    yield link, theirs
    link.close()
    theirs.close()


def a_memory_file(content: bytes = b"") -> int:
    file = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(file, content)
    return file


# Frames


def test_a_message_comes_out_as_it_went_in() -> None:
    said = Goodbye(Path("/tmp/strategy"))

    (body,) = Frames().feed(frame(said))

    assert decoder(Message).decode(body) == said


def test_what_is_neither_data_nor_a_path_does_not_cross() -> None:
    with pytest.raises(NotImplementedError, match="object does not cross between processes"):
        frame({"thing": object()})


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60), min_size=1))
def test_frames_come_out_whole_and_in_order_wherever_the_stream_is_cut(bodies: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(len(body).to_bytes(LENGTH_BYTES, "big") + body for body in bodies)
    frames, found, place = Frames(), [], 0
    while place < len(stream):
        for size in sizes:
            found += frames.feed(stream[place : place + size])
            place += size

    assert found == bodies


def test_a_torn_frame_is_kept_until_its_rest_comes() -> None:
    frames, whole = Frames(), frame(Hello(1))

    assert [frames.feed(whole[:2]), frames.feed(whole[2:-1])] == [[], []]
    assert len(frames.feed(whole[-1:] + whole[:3])) == 1


def test_a_frame_of_the_largest_size_may_come_and_one_byte_more_is_the_end() -> None:
    assert Frames().feed(FRAME_BYTES_MAX.to_bytes(LENGTH_BYTES, "big")) == []
    assert Frames(10).feed((10).to_bytes(LENGTH_BYTES, "big")) == []
    with pytest.raises(PeerGone, match="a frame of 11 bytes was announced"):
        Frames(10).feed((11).to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(PeerGone, match=f"a frame of {FRAME_BYTES_MAX + 1} bytes was announced"):
        Frames().feed((FRAME_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"))


# Links


def test_a_link_gives_messages_one_at_a_time_also_when_they_came_together(
    ends: tuple[Link[Message], socket.socket],
) -> None:
    link, theirs = ends
    theirs.sendall(frame(Hello(1)) + frame(Hello(2)))

    assert [link.receive(1.0), link.receive(1.0)] == [Hello(1), Hello(2)]


def test_a_link_waits_for_the_rest_of_a_torn_message_and_no_longer_than_it_may(
    ends: tuple[Link[Message], socket.socket],
) -> None:
    link, theirs = ends
    whole = frame(Hello(1, b"x" * 100))
    theirs.sendall(whole[:50])

    with pytest.raises(TimeoutError, match="no answer within"):
        link.receive(0.05)
    theirs.sendall(whole[50:])

    assert link.receive(1.0) == Hello(1, b"x" * 100)


def test_what_has_arrived_is_taken_without_waiting(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    theirs.sendall(frame(Hello(1)) + frame(Hello(2)) + frame(Hello(3))[:5])

    assert link.arrived() == [Hello(1), Hello(2)]


def test_a_message_larger_than_a_socket_holds_is_sent_whole(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    said = Hello(1, b"x" * 3_000_000)
    other: Link[Message] = Link(theirs, Message)
    heard: list[Message] = []
    reader = threading.Thread(target=lambda: heard.append(other.receive(10.0)))
    reader.start()

    link.send(said)
    reader.join()

    assert heard == [said]


def test_a_peer_that_has_left_is_told_as_gone(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    theirs.close()

    with pytest.raises(PeerGone, match="has ended"):
        link.receive(1.0)
    with pytest.raises(PeerGone, match="does not read"):
        link.send(Hello(1))


def test_a_peer_that_does_not_read_is_told_as_gone_after_a_while(ends: tuple[Link[Message], socket.socket]) -> None:
    link, _ = ends

    with pytest.raises(PeerGone, match="does not read"):
        link.send(Hello(1, b"x" * 3_000_000))


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", msgspec.msgpack.encode(["Nonsense", 1]), msgspec.msgpack.encode(["Hello", "one"])]
)
def test_a_peer_that_says_what_nobody_here_would_is_told_as_gone(
    ends: tuple[Link[Message], socket.socket], body: bytes
) -> None:
    link, theirs = ends
    theirs.sendall(len(body).to_bytes(LENGTH_BYTES, "big") + body)

    with pytest.raises(PeerGone, match="sent what nobody here would"):
        link.receive(1.0)


# Files beside frames


def test_files_come_beside_their_message_in_their_order(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    sent = [a_memory_file(b"one"), a_memory_file(b"two")]
    other: Link[Message] = Link(theirs, Message)

    link.send(Hello(2), tuple(sent))
    for file in sent:
        os.close(file)

    assert other.receive(1.0) == Hello(2)
    taken = other.take_files(2)
    assert [os.pread(file, 10, 0) for file in taken] == [b"one", b"two"]
    assert not any(os.get_inheritable(file) for file in taken)
    for file in taken:
        os.close(file)


def test_fewer_files_than_were_announced_are_the_end(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    theirs.sendall(frame(Hello(1)))
    link.receive(1.0)

    with pytest.raises(PeerGone, match="1 files were announced, and 0 came"):
        link.take_files(1)


def test_a_peer_that_has_no_files_to_send_cannot_fill_the_table_of_open_files() -> None:
    ours, theirs = socket.socketpair()
    link: Link[Message] = Link(ours, Message, files_max=0)
    files = [a_memory_file() for _ in range(8)]
    before = len(list(Path("/proc/self/fd").iterdir()))

    socket.send_fds(theirs, [frame(Hello(1))], files)

    assert link.receive(1.0) == Hello(1)
    assert link.files == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    for file in files:
        os.close(file)
    link.close()
    theirs.close()


def test_closing_a_link_closes_the_files_that_nobody_took(ends: tuple[Link[Message], socket.socket]) -> None:
    link, theirs = ends
    sent = a_memory_file()
    socket.send_fds(theirs, [frame(Hello(1))], [sent])
    link.receive(1.0)
    (came,) = link.files

    link.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(came)
    os.close(sent)
