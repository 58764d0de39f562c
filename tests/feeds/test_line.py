"""A line keeps its connections: replaced when they end, renewed before they do, and away only when told so."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from feeds.ws_peers import Server, a_server, no_task_left, until
from foresight.feeds import line as module
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.line import Line, Refusal
from foresight.feeds.telling import Lags

POLICY = 4008


class Numbers:
    """A channel that counts: it is warm at the first number, and takes each number once."""

    name = "numbers"

    def __init__(self, url: str) -> None:
        self.url = url
        self.silence_s = 60.0
        self.age_max_s = 60.0
        self.lags = Lags()
        self.duplicates = 0
        self.taken: list[int] = []
        self.opens: list[Connection] = []
        self.losses: list[Connection] = []
        self.alive: list[int] = []
        self.is_allowed = False

    def opened(self, connection: Connection) -> None:
        self.opens.append(connection)
        connection.say(b"numbers please")

    def took(self, connection: Connection, frame: bytes) -> None:
        if frame == b"PONG":
            return
        connection.heard()
        connection.warmed()
        if int(frame) in self.taken:
            self.duplicates += 1
        else:
            self.taken.append(int(frame))

    def keep_alive(self, connection: Connection) -> None:
        self.alive.append(connection.number)
        connection.say(b"PING")

    def lost(self, connection: Connection) -> None:
        self.losses.append(connection)

    def pause_after(self, how: Ended) -> float | Refusal:
        return Refusal(lambda: self.is_allowed) if how.code == POLICY else 0.0


class Bench:
    """A server, a line to it, and what was told."""

    def __init__(self, server: Server, channel: Numbers, strands: int) -> None:
        self.server = server
        self.channel = channel
        self.told: list[str] = []
        self.line = Line(channel, self.told.append, lambda: 0.0, strands=strands)

    async def opened(self, count: int) -> None:
        """Waits until so many connections have been opened in all and asked for numbers."""
        await until(lambda: len(self.server.peers) >= count and all(peer.said for peer in self.server.peers[:count]))

    async def heard(self, *numbers: int) -> None:
        await until(lambda: set(numbers) <= set(self.channel.taken))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.005)
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.005)
    monkeypatch.setattr(module, "RETRY_LONGEST_S", 0.02)
    monkeypatch.setattr(module, "SHORT_LIVED_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "WARM_S", 5.0)
    monkeypatch.setattr(module, "AWAY_LOOK_S", 0.005)


Work = Callable[[Bench], Awaitable[None]]


def on_a_line(work: Work, *, strands: int = 1, answers: bool = True) -> None:
    """Runs a test beside a line that is kept; afterwards it is cancelled and must leave nothing."""

    async def run() -> None:
        with no_task_left():
            async with a_server() as server:
                if answers:
                    server.on_text = lambda peer, text: peer.send(b"0") if text != b"PING" else None
                bench = Bench(server, Numbers(server.url), strands)
                async with kept(bench):
                    await work(bench)
                await until(lambda: not server.open)
                assert bench.line.connections == []

    asyncio.run(run())


@contextlib.asynccontextmanager
async def kept(bench: Bench) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.line.keep())
        yield
        task.cancel()


def test_a_line_that_is_cancelled_closes_everything_and_leaves_no_task() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)

    on_a_line(work, strands=2)


@pytest.mark.parametrize("code", [1000, 1001, 1012, 0])
def test_a_connection_that_ends_is_replaced(code: int) -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        (first,) = bench.server.peers
        first.close(code) if code else first.cut()
        await bench.opened(2)
        bench.server.peers[1].send(b"1")
        await bench.heard(1)
        health = bench.line.health()
        assert (health.state, health.connections, health.reconnects, health.renewals) == ("open", 1, 1, 0)
        assert health.last_end == f"closed {code or 1006}"
        assert health.frames == 3
        assert [connection.number for connection in bench.channel.losses] == [1]

    on_a_line(work)


def test_the_end_and_the_return_are_told_once_each() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.refuses = True
        bench.server.peers[0].close(1001, b"deploy")
        await until(lambda: bench.line.health().last_end.startswith("ws://"))
        assert bench.line.health().state == "down"
        assert bench.line.problem().startswith("numbers is down: ws://")
        bench.server.refuses = False
        await until(lambda: len(bench.told) == 2)
        assert bench.told == ["numbers is down: closed 1001 deploy; it is opened again", "numbers is back"]
        assert bench.line.problem() == ""

    on_a_line(work)


def test_a_server_that_is_not_there_is_tried_until_it_is() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        server = Server()
        server.port = port
        server.on_open = lambda peer: peer.send(b"0")
        bench = Bench(server, Numbers(server.url), 1)
        assert bench.line.health().state == "connecting"
        async with kept(bench):
            await until(lambda: bench.told)
            assert "cannot be reached" in bench.told[0]
            await server.start()
            await bench.heard(0)
            await until(lambda: len(bench.told) == 2)
            assert bench.told[1] == "numbers is back"
        await server.stop()

    asyncio.run(run())


def test_pauses_between_failed_attempts_grow_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.002)
    monkeypatch.setattr(module, "RETRY_LONGEST_S", 0.016)
    pauses: list[float] = []
    failed = Line._failed

    def noted(line: Line, state) -> None:
        pauses.append(state.upcoming_sleep)
        failed(line, state)

    monkeypatch.setattr(Line, "_failed", noted)

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.refuses = True
        bench.server.peers[0].cut()
        await until(lambda: len(pauses) > 60)

    on_a_line(work)
    limits = [0.002, 0.004, 0.008, *[0.016] * 57]
    assert all(pause <= limit for pause, limit in zip(pauses[:60], limits, strict=True))
    assert max(pauses[:60]) > 0.008
    assert len(set(pauses[:60])) > 50, "they are not the same for everybody"


@pytest.mark.parametrize(("age_s", "pauses"), [(9.9, True), (10.1, False)])
def test_only_a_connection_that_lived_shortly_is_not_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch, age_s: float, pauses: bool
) -> None:
    monkeypatch.setattr(module, "SHORT_LIVED_PAUSE_S", 60.0)

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.channel.opens[0].opened_s -= age_s
        bench.server.peers[0].close(1001)
        if not pauses:
            await bench.opened(2)
            return
        await until(lambda: bench.channel.losses)
        await asyncio.sleep(0.1)
        assert len(bench.server.peers) == 1

    on_a_line(work)


def test_a_connection_that_ends_before_it_was_heard_is_no_open_one() -> None:
    async def work(bench: Bench) -> None:
        bench.server.on_open = lambda peer: peer.close(1001, b"not now")
        await until(lambda: len(bench.server.peers) > 3)
        bench.server.on_open = lambda peer: peer.send(b"7")
        await bench.heard(7)
        await until(lambda: len(bench.told) == 2)
        assert len(bench.line.connections) == 1
        assert bench.told[0].endswith("closed 1001 not now before it was heard; it is tried again until it is back")
        assert bench.told[1:] == ["numbers is back"]

    on_a_line(work, answers=False)


def test_what_comes_with_the_handshake_finds_a_connection_that_is_opened() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)

        def send_and_close(peer) -> None:
            peer.send(b"1")
            peer.close(1001)

        bench.server.on_open = send_and_close
        bench.server.peers[0].cut()
        await until(lambda: len(bench.channel.losses) > 3)
        assert len(bench.channel.opens) - len(bench.channel.losses) in (0, 1)
        assert bench.channel.opens[: len(bench.channel.losses)] == bench.channel.losses
        assert len(bench.line.connections) <= 1
        bench.server.on_open = lambda peer: peer.send(b"2")
        await bench.heard(2)

    on_a_line(work)


def test_a_renewal_opens_and_hears_the_second_before_the_first_is_closed() -> None:
    async def work(bench: Bench) -> None:
        bench.server.on_text = lambda _peer, _text: None
        await bench.opened(1)
        first = bench.server.peers[0]
        first.send(b"0")
        await bench.heard(0)
        bench.line.renew(bench.channel.opens[0], "the venue will close it")
        await bench.opened(2)
        second = bench.server.peers[1]
        for number in range(1, 50):
            first.send(b"%d" % number)
        await bench.heard(49)
        assert not first.is_gone, "the second has not been heard"
        second.send(b"49")
        second.send(b"50")
        await until(lambda: first.is_gone)
        second.send(b"51")
        await bench.heard(51)
        assert bench.channel.taken == list(range(52))
        assert bench.channel.duplicates == 1
        health = bench.line.health()
        assert (health.renewals, health.reconnects, health.connections) == (1, 0, 1)
        assert health.last_end == "replaced: the venue will close it"
        assert bench.told == []

    on_a_line(work, answers=False)


def mute_ones(bench: Bench, count: int) -> Callable[[], bool]:
    """Whether so many connections after the first have been opened and closed again without a word."""
    return lambda: len(bench.server.peers) > count and all(peer.is_gone for peer in bench.server.peers[1 : count + 1])


def test_a_mute_connection_replaces_none_that_is_heard_and_another_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WARM_S", 0.05)

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.on_text = lambda _peer, _text: None
        bench.line.renew(bench.channel.opens[0], "the venue will close it")
        await until(mute_ones(bench, 3))
        first = bench.server.peers[0]
        assert not first.is_gone
        assert "brought no data within 0.05 s" in bench.line.health().last_end
        bench.server.on_text = lambda peer, text: peer.send(b"1") if text != b"PING" else None
        await until(lambda: first.is_gone)
        assert bench.channel.taken == [0, 1]
        health = bench.line.health()
        assert (health.state, health.connections, health.renewals, health.reconnects) == ("open", 1, 1, 0)
        assert bench.told == []

    on_a_line(work)


@pytest.mark.parametrize("falls_silent", [True, False])
def test_a_mute_connection_is_taken_once_the_first_is_silent_too_or_has_ended(
    monkeypatch: pytest.MonkeyPatch, falls_silent: bool
) -> None:
    monkeypatch.setattr(module, "WARM_S", 0.05)

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.on_text = lambda _peer, _text: None
        bench.line.renew(bench.channel.opens[0], "it grows old")
        await until(mute_ones(bench, 1))
        if falls_silent:
            bench.channel.opens[0].heard_s -= 61.0
        else:
            bench.server.peers[0].cut()
        await until(lambda: bench.line.health().last_end == "replaced: it grows old")
        await until(lambda: len(bench.server.open) == 1)
        assert len(bench.line.connections) == 1

    on_a_line(work)


def test_a_renewal_is_not_disturbed_by_the_first_ones_end() -> None:
    async def work(bench: Bench) -> None:
        bench.server.on_text = lambda _peer, _text: None
        await bench.opened(1)
        bench.server.peers[0].send(b"0")
        await bench.heard(0)
        bench.line.renew(bench.channel.opens[0], "it grows old")
        await bench.opened(2)
        bench.server.peers[0].cut()
        await until(lambda: bench.channel.losses)
        bench.server.peers[1].send(b"1")
        await bench.heard(1)
        await until(lambda: bench.line.health().last_end == "replaced: it grows old")
        assert len(bench.server.peers) == 2
        assert len(bench.line.connections) == 1

    on_a_line(work, answers=False)


def test_a_connection_that_waits_to_be_replaced_still_gives_signs_of_life() -> None:
    """A market channel without PING for ten seconds is closed by the venue."""

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.refuses = True
        bench.line.renew(bench.channel.opens[0], "it grows old")
        await until(lambda: bench.line.health().renewals)
        said = len(bench.server.peers[0].said)
        await until(lambda: len(bench.server.peers[0].said) > said + 3)

    on_a_line(work)


def test_a_connection_without_data_is_replaced_though_it_answers() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.channel.silence_s = 0.05
        bench.server.on_text = lambda peer, text: peer.send(b"PONG") if text == b"PING" else peer.send(b"1")
        await bench.heard(1)
        await until(lambda: bench.server.peers[0].is_gone)
        assert bench.line.health().renewals >= 1
        assert bench.line.health().last_end == "replaced: no data for 0 s"

    on_a_line(work)


def test_a_server_that_accepts_and_says_nothing_is_tried_again_and_never_more_than_two_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WARM_S", 0.02)

    async def work(bench: Bench) -> None:
        bench.channel.silence_s = 0.02
        most = 0

        def count(_peer) -> None:
            nonlocal most
            most = max(most, len(bench.server.open))

        bench.server.on_open = count
        await until(lambda: len(bench.server.peers) > 5)
        assert most <= 2

    on_a_line(work, answers=False)


@pytest.mark.parametrize(("age_s", "renews"), [(59.0, False), (61.0, True)])
def test_a_connection_is_replaced_when_it_is_as_old_as_it_may_get(age_s: float, renews: bool) -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.channel.opens[0].opened_s -= age_s
        looks = len(bench.channel.alive)
        await until(lambda: bench.server.peers[0].is_gone if renews else len(bench.channel.alive) > looks + 5)
        assert len(bench.server.peers) == 1 + renews
        assert bench.line.health().last_end == ("replaced: as old as the venue lets one be" if renews else "")

    on_a_line(work)


@pytest.mark.parametrize("strands", [1, 2])
def test_a_line_whose_venue_wants_no_more_is_given_up_and_told_once(strands: int) -> None:
    async def work(bench: Bench) -> None:
        await until(lambda: len(bench.line.connections) == strands and bench.channel.taken)
        for peer in bench.server.open:
            peer.close(POLICY, b"policy")
        await until(lambda: bench.line.health().state == "given up")
        await until(lambda: not bench.server.open)
        await asyncio.sleep(0.05)
        assert len(bench.server.peers) == strands
        (given_up,) = [sentence for sentence in bench.told if "given up" in sentence]
        assert given_up.startswith("numbers is given up: closed 4008 policy;")
        assert "given up" in bench.line.problem()

    on_a_line(work, strands=strands)


@pytest.mark.parametrize("strands", [1, 2])
def test_a_line_that_was_given_up_is_back_when_what_was_refused_is_another(strands: int) -> None:
    async def work(bench: Bench) -> None:
        await until(lambda: len(bench.line.connections) == strands and bench.channel.taken)
        for peer in bench.server.open:
            peer.close(POLICY, b"policy")
        await until(lambda: not bench.server.open and bench.line.health().state == "given up")
        bench.channel.is_allowed = True
        await until(lambda: len(bench.line.connections) == strands and bench.told[-1] == "numbers is back")
        assert (bench.line.health().state, bench.line.problem()) == ("open", "")
        assert len(bench.server.peers) == 2 * strands

    on_a_line(work, strands=strands)


def test_a_venue_that_refuses_us_is_tried_after_growing_pauses_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AWAY_FIRST_S", 0.02)

    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.on_open = lambda peer: peer.close(POLICY)
        began_s = asyncio.get_running_loop().time()
        bench.server.peers[0].close(POLICY)
        await until(lambda: len(bench.server.peers) == 4)
        assert asyncio.get_running_loop().time() - began_s >= 0.02 + 0.04 + 0.08
        assert len([sentence for sentence in bench.told if "given up" in sentence]) == 1
        bench.server.on_open = lambda peer: None
        await until(lambda: bench.told[-1] == "numbers is back")
        await bench.heard(0)

    on_a_line(work)


def test_a_line_that_is_given_up_during_a_renewal_leaves_no_connection() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.on_text = lambda _peer, _text: None
        bench.server.on_open = lambda peer: peer.close(POLICY)
        bench.channel.silence_s = 0.0
        bench.line.renew(bench.channel.opens[0], "no data")
        await until(lambda: bench.line.health().state == "given up")
        await until(lambda: not bench.server.open)

    on_a_line(work)


def test_a_connection_that_is_heard_is_kept_while_the_venue_refuses_its_successor() -> None:
    async def work(bench: Bench) -> None:
        await bench.heard(0)
        bench.server.on_open = lambda peer: peer.close(POLICY)
        bench.line.renew(bench.channel.opens[0], "as old as it may get")
        await until(lambda: any("goes on meanwhile" in sentence for sentence in bench.told))
        bench.server.peers[0].send(b"7")
        await bench.heard(7)
        assert (bench.line.health().state, bench.line.problem()) == ("open", "")
        bench.server.on_open = lambda peer: None
        bench.channel.is_allowed = True
        await until(lambda: bench.told[-1] == "numbers is back")
        await until(lambda: len(bench.server.open) == 1)

    on_a_line(work)


def test_connections_that_end_at_once_again_and_again_are_replaced_more_and_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "SHORT_LIVED_PAUSE_S", 0.002)
    monkeypatch.setattr(module, "SHORT_LIVED_LONGEST_S", 0.01)
    monkeypatch.setattr(module, "SHORT_LIVED_MANY", 3)

    async def work(bench: Bench) -> None:
        grown = bench.line._grown_s
        bench.line._grown_s = lambda *of: pauses.append(grown(*of)) or pauses[-1]
        bench.server.on_text = lambda peer, text: (peer.send(b"0"), peer.close(1001)) if text != b"PING" else None
        await until(lambda: len(pauses) >= 8)

    on_a_line(work)
    assert pauses[:8] == [0.002, 0.002, 0.002, 0.004, 0.008, 0.01, 0.01, 0.01]


def test_two_strands_stand_side_by_side_and_one_that_ends_leaves_the_other() -> None:
    async def work(bench: Bench) -> None:
        await bench.opened(2)
        await bench.heard(0)
        first, second = bench.server.peers
        first.close(1001)
        second.send(b"1")
        await bench.heard(1)
        await bench.opened(3)
        await until(lambda: len(bench.line.connections) == 2)
        assert bench.told == [], "nothing was down"
        assert bench.channel.taken == [0, 1]

    on_a_line(work, strands=2)
