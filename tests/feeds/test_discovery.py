"""Markets are found before their windows open, and what cannot be traded says why."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from builders import NOON_NS
from feeds.feed_fakes import Around, Script, a_host
from foresight.events import Listed
from foresight.feeds.discovery import AGAIN_NS, REFUSED_AGAIN_NS, Discovery
from foresight.feeds.rest import Rest
from foresight.markets import SECOND_NS
from foresight.wire.gamma import Listing
from wire.wire_frames import COND, DOWN, UP, a_listing

START_S = NOON_NS // SECOND_NS
HALF_PAST = "2026-01-05T12:{:02d}:00Z"


def slug(window: int, asset: str = "btc") -> str:
    return f"{asset}-updown-5m-{START_S + 300 * window}"


def an_object(window: int, **changed: object) -> dict[str, object]:
    """What Gamma says of that window after noon."""
    ends = {"eventStartTime": HALF_PAST.format(5 * window), "endDate": HALF_PAST.format(5 * window + 5)}
    ids = [str(int(UP) + window), str(int(DOWN) + window)]
    return a_listing(slug=slug(window), clobTokenIds=json.dumps(ids), **ends) | changed


class Looking:
    """A discovery of one slot at a host that follows a script."""

    def __init__(self, script: Script, url: str) -> None:
        self.script = script
        self.around = Around(NOON_NS + SECOND_NS)
        self.found: list[Listing] = []
        self.rest = Rest("gamma")
        self.discovery = Discovery(self.rest, url, [("BTC", "5m")], self.around.given, self.found.append)

    def lists(self, *windows: int, **changed: object) -> None:
        for window in windows:
            self.script.answers[f"/markets/slug/{slug(window)}"] = (200, an_object(window, **changed))

    async def look(self) -> list[int]:
        """Looks once; the windows that were asked for."""
        self.script.asked.clear()
        await self.discovery.look()
        return sorted((int(path.rsplit("-", 1)[1]) - START_S) // 300 for path in self.script.asked)


def looking(work: Callable[[Looking], Awaitable[None]]) -> None:
    async def run() -> None:
        script = Script()
        async with a_host(script) as url:
            looks = Looking(script, url)
            try:
                await work(looks)
            finally:
                await looks.rest.close()

    asyncio.run(run())


def test_the_open_window_and_the_next_two_are_found_once() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2, 3)
        assert await looks.look() == [0, 1, 2]
        events = looks.around.taken()
        assert [type(event) for event in events] == [Listed] * 3
        assert {event.market.market_id for event in events} == {slug(0), slug(1), slug(2)}
        assert {listing.condition for listing in looks.found} == {COND}
        looks.around.later(60)
        assert await looks.look() == []
        looks.around.later(240)
        assert await looks.look() == [3]
        assert looks.discovery.problems() == {}

    looking(work)


def test_a_window_that_is_not_listed_is_asked_for_every_five_seconds_until_it_is() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1)
        assert await looks.look() == [0, 1, 2]
        assert looks.discovery.problems() == {slug(2): "the venue does not list it"}
        looks.around.now_ns += AGAIN_NS - 1
        assert await looks.look() == []
        looks.around.now_ns += 1
        looks.lists(2)
        assert await looks.look() == [2]
        assert looks.discovery.problems() == {}
        assert len(looks.found) == 3

    looking(work)


def test_a_market_that_is_not_whole_yet_is_asked_for_again() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2, clobTokenIds=None)
        await looks.look()
        assert looks.discovery.problems()[slug(0)] == "no outcome ids of v1 yet"
        assert looks.around.told == []
        looks.around.now_ns += AGAIN_NS
        assert await looks.look() == [0, 1, 2]

    looking(work)


def test_a_market_of_other_rules_is_refused_and_told_once() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2)
        looks.lists(1, negRisk=True)
        await looks.look()
        assert [listing.market.market_id for listing in looks.found] == [slug(0), slug(2)]
        (told,) = looks.around.told
        assert told.startswith(f"{slug(1)} is not traded: negative-risk")
        looks.around.now_ns += AGAIN_NS
        assert await looks.look() == []
        assert slug(1) in looks.discovery.problems()
        looks.around.now_ns += REFUSED_AGAIN_NS - AGAIN_NS
        assert await looks.look() == [1]
        assert looks.around.told == [told]

    looking(work)


def test_one_wrong_answer_costs_no_window() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2)
        looks.script.answers[f"/markets/slug/{slug(1)}"] = (200, {"error": "try later"})
        await looks.look()
        assert slug(1) in looks.discovery.problems()
        looks.lists(1)
        looks.around.now_ns += REFUSED_AGAIN_NS
        assert await looks.look() == [1]
        assert [listing.market.market_id for listing in looks.found] == [slug(0), slug(2), slug(1)]
        assert looks.discovery.problems() == {}
        assert looks.around.told[-1].startswith(f"{slug(1)} is traded")

    looking(work)


def test_a_host_that_fails_is_the_problem_of_its_windows_and_is_asked_again() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2)
        looks.script.answers[f"/markets/slug/{slug(0)}"] = (500, {})
        assert set(await looks.look()) == {0, 1, 2}
        assert looks.discovery.problems()[slug(0)].endswith("answers 500")
        assert len(looks.found) == 2, "the others are found all the same"
        looks.lists(0)
        looks.around.now_ns += AGAIN_NS
        assert await looks.look() == [0]
        assert looks.discovery.problems() == {}

    looking(work)


def test_what_is_over_is_no_problem_any_more() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(1, 2, 3)
        looks.lists(1, negRisk=True)
        await looks.look()
        assert looks.discovery.problems().keys() == {slug(0), slug(1)}
        looks.around.later(300)
        await looks.look()
        assert looks.discovery.problems().keys() == {slug(1)}
        looks.around.later(600)
        await looks.look()
        assert not looks.discovery.problems().keys() & {slug(0), slug(1)}

    looking(work)


def test_versions_side_by_side_are_told_once() -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2)
        v2 = {"version": "v2", "clobTokenIds": None, "conditionId": COND[:64]}
        for window in (1, 2):
            ids = [str((1 << 250) + 2 * window), str((1 << 250) + 2 * window + 1)]
            looks.lists(window, positionIds=ids, **v2)
        await looks.look()
        told = [sentence for sentence in looks.around.told if "v1 and v2" in sentence]
        assert len(told) == 1, (looks.around.told, looks.discovery.problems())

    looking(work)


def test_nothing_is_asked_twice_at_once_and_no_more_than_eight_at_a_time() -> None:
    async def run() -> None:
        at_once: list[int] = []
        open_now: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            assert request.path not in open_now
            open_now.append(request.path)
            at_once.append(len(open_now))
            await asyncio.sleep(0.01)
            open_now.remove(request.path)
            return web.Response(status=404)

        async with a_host(answer) as url:
            rest, around = Rest("gamma"), Around()
            slots = [(asset, frame) for asset in ("BTC", "ETH", "SOL", "XRP") for frame in ("5m", "15m")]
            await Discovery(rest, url, slots, around.given, lambda _listing: None).look()
            await rest.close()
        assert len(at_once) == 24
        assert max(at_once) <= 8

    asyncio.run(run())


@pytest.mark.parametrize(("minutes", "events"), [(4.9, 3), (5.1, 2)])
def test_a_market_whose_window_is_over_when_it_is_found_is_no_event(minutes: float, events: int) -> None:
    async def work(looks: Looking) -> None:
        looks.lists(0, 1, 2)
        get = looks.rest.get

        async def slow(url: str, params: dict[str, str] | None = None) -> bytes:
            body = await get(url, params)
            looks.around.now_ns = NOON_NS + round(minutes * 60 * SECOND_NS)
            return body

        looks.rest.get = slow  # type: ignore[method-assign]
        await looks.look()
        assert len(looks.around.taken()) == events
        assert len(looks.found) == 3, "its winner is still of interest"

    looking(work)
