"""A run over sockets: the venue that is meant, its feeds, and the bot on them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine

import msgspec

from foresight.bot_folder import BotFolder
from foresight.config import Config
from foresight.errors import SecretRefused, VenueRefused
from foresight.feeds.endpoints import REAL, Endpoints, local
from foresight.feeds.feeds import Feeds, Plan
from foresight.feeds.polybolt import Credentials
from foresight.runtime.embedded_venue import EmbeddedVenue
from foresight.runtime.live_market import Joined, LiveMarket, join, make_feeds, opened
from foresight.secrets import ORACLE_SECRETS, Secret, SecretsHome, load_secrets

LOCAL_CREDENTIALS = Credentials(
    Secret("00000000-0000-4000-8000-000000000001"), Secret("bG9jYWwtdmVudWUtc2VjcmV0LTAwMDAwMDE="), Secret("0" * 64)
)
"""A local venue takes any that have the right form."""


class Telling:
    """Sentences for a person: kept until there is somebody to tell, and passed on from then on."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._to: Callable[[str], None] | None = None

    def __call__(self, sentence: str) -> None:
        if self._to is None:
            self.kept.append(sentence)
        else:
            self._to(sentence)

    def pass_on(self, to: Callable[[str], None]) -> None:
        self._to = to
        for sentence in self.kept:
            to(sentence)
        self.kept.clear()


class Asked(msgspec.Struct, frozen=True):
    """What the command line says of the venue; None is not said."""

    speed: float | None
    seed: int | None
    address: str | None


@contextlib.asynccontextmanager
async def market_of(config: Config, asked: Asked, telling: Telling) -> AsyncIterator[LiveMarket]:
    """The venue's market with its feeds running, for as long as the context lasts. Raises VenueRefused or
    SecretRefused."""
    credentials = _credentials(config, telling)
    async with contextlib.AsyncExitStack() as stack:
        endpoints = await _endpoints(config, asked, telling, stack)
        joined = await join(endpoints)
        _check_speed(asked, joined)
        plan = Plan(
            slots=_slots(config, joined, telling),
            endpoints=endpoints,
            credentials=credentials,
            is_redundant=config.venue.redundant,
            has_rtds=config.venue.rtds,
            has_website=config.venue.website,
        )
        feeds: Feeds = await make_feeds(plan, joined, BotFolder(config.folder).data / "rejects", telling)
        await stack.enter_async_context(_meanwhile("feeds", feeds.run()))
        yield await opened(feeds, joined, telling)


async def _endpoints(config: Config, asked: Asked, telling: Telling, stack: contextlib.AsyncExitStack) -> Endpoints:
    if config.venue.source == "polymarket" and asked.address is None:
        return REAL
    address = asked.address or config.venue.address
    if address:
        return local(address)
    data = BotFolder(config.folder).data
    data.mkdir(parents=True, exist_ok=True)
    state = data / "venue.json"
    state.unlink(missing_ok=True)  # a new run has a market of its own
    venue = EmbeddedVenue(_arguments(config, asked), log=data / "venue.log", state=state, tell=telling)
    stack.push_async_callback(venue.stop)
    address = await venue.start()
    await stack.enter_async_context(_meanwhile("local venue", venue.keep()))
    return local(address)


def _arguments(config: Config, asked: Asked) -> list[str]:
    slots = config.slots
    return [
        "--seed", str(config.venue.seed if asked.seed is None else asked.seed),
        "--speed", str(asked.speed or 1.0),
        "--assets", ",".join(slots.assets),
        "--timeframes", ",".join(slots.timeframes),
    ]  # fmt: skip


def _check_speed(asked: Asked, joined: Joined) -> None:
    if asked.speed is not None and asked.speed != joined.speed:
        raise VenueRefused(
            f"the venue's time runs {joined.speed:g} times as fast as the wall's; a bot cannot change that"
        )


def _slots(config: Config, joined: Joined, telling: Telling) -> tuple[tuple[str, str], ...]:
    """The configured slots; those that a local venue does not have are told, and looked for all the same."""
    slots = tuple((asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes)
    absent = [] if joined.slots is None else [slot for slot in slots if slot not in joined.slots]
    if absent:
        telling(f"the venue does not list {', '.join(f'{asset} {timeframe}' for asset, timeframe in absent)}")
    return tuple(slot for slot in slots if slot not in absent) or slots


def _credentials(config: Config, telling: Telling) -> Callable[[], Credentials] | None:
    """What gives the credentials to present now; None where there are none. Raises SecretRefused."""
    if config.venue.source != "polymarket":
        return lambda: LOCAL_CREDENTIALS
    secrets = load_secrets(config, os.environ)
    missing = [name for name in ORACLE_SECRETS if name not in secrets]
    if missing:
        telling(
            f"the oracle is not heard: the secrets {', '.join(missing)} are missing; prices to beat are the website's"
        )
        return None
    return StandingCredentials(config, Credentials(*(secrets[name] for name in ORACLE_SECRETS)))


class StandingCredentials:
    """The credentials as they stand now: whoever changes the secrets file need not start the bot anew. The last ones
    that could be read count while it cannot be."""

    def __init__(self, config: SecretsHome, first: Credentials) -> None:
        self._config = config
        self._last = first

    def __call__(self) -> Credentials:
        with contextlib.suppress(SecretRefused):
            secrets = load_secrets(self._config, os.environ)
            if all(name in secrets for name in ORACLE_SECRETS):
                self._last = Credentials(*(secrets[name] for name in ORACLE_SECRETS))
        return self._last


@contextlib.asynccontextmanager
async def _meanwhile(name: str, work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Something that runs as long as the context does. When either fails, that error ends both, as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name=name)
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
