"""What the system calls of a deploy cost a loop that does nothing but them: the floor under the loop's figure.

A peer process sends two messages, as long as a deploy's are, the second with three descriptors; the loop answers the
first with two descriptors, takes the new host's socket into its selector, says one word, and closes and kills the host
before. No message is decoded, nothing is decided, no state is looked at.
"""

import asyncio
import os
import signal
import socket
import time
from statistics import median

from measuring import Document, spread
from seam_cpu import SETTLED_S, nothing
from tesseract.wire import FILES_MAX, receive_some

TAKEN, STAGE, STAGED, TOLD = (b"." * size for size in (500, 3_000, 4_000, 300))
PAUSE_S = 0.1


def measured(deploys: int, waits: int) -> Document:
    """Milliseconds of the thread, the same waiting without a deploy taken off."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _peer(theirs)
    theirs.close()
    try:
        return asyncio.run(_floor(ours, deploys, waits))
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _peer(sock: socket.socket) -> None:
    """Until the loop's side has closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        time.sleep(PAUSE_S)
        host, ours = socket.socketpair()
        output = os.memfd_create("output")
        if (pid := os.fork()) == 0:
            signal.pause()
        pidfd = os.pidfd_open(pid)
        try:
            sock.sendall(TAKEN)
            if not sock.recv(len(STAGE)):
                raise BrokenPipeError
            socket.send_fds(sock, [STAGED], [host.fileno(), pidfd, output])
            sock.recv(len(TOLD))
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os._exit(0)
        for end in (host, ours):
            end.close()
        os.close(pidfd)
        os.close(output)


class _Loop:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tape = [os.memfd_create("tape"), os.memfd_create("tape")]
        self._host: tuple[socket.socket, int, int] | None = None
        self.is_done = asyncio.Event()
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._read)

    def _read(self) -> None:
        _, files = receive_some(self._sock, FILES_MAX)
        if not files:
            socket.send_fds(self._sock, [STAGE], self._tape)
            return
        host = socket.socket(fileno=files[0])
        host.setblocking(False)
        asyncio.get_running_loop().add_reader(host, lambda: None)
        before, self._host = self._host, (host, files[1], files[2])
        self._sock.send(TOLD)
        if before is not None:
            _end(*before)
        self.is_done.set()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        if self._host is not None:
            _end(*self._host)
        for file in self._tape:
            os.close(file)


def _end(host: socket.socket, pidfd: int, output: int) -> None:
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    asyncio.get_running_loop().remove_reader(host)
    host.close()
    os.close(pidfd)
    os.close(output)


async def _floor(sock: socket.socket, deploys: int, waits: int) -> Document:
    loop = _Loop(sock)
    spent = []
    for _ in range(deploys):
        loop.is_done.clear()
        begun = time.thread_time_ns()
        await asyncio.wait_for(loop.is_done.wait(), 10.0)
        await asyncio.sleep(SETTLED_S)
        spent.append((time.thread_time_ns() - begun) / 1e6)
    loop.close()
    waiting = median([await nothing() for _ in range(waits)])
    return spread(took - waiting for took in spent)
