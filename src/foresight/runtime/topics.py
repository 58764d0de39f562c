"""Further topics between live code, the feeds and the engine: asked for before a release goes live, let go after it.

The engine learns of them by an event, so that a replay knows them at the same place; the feeds follow them. A market
inside this process has no feeds: there a release may need the underlyings that the market makes anyway, and no others.
"""

from collections.abc import Callable, Iterable

from foresight.events import TopicsDeclared
from foresight.feeds.health import Feeding
from foresight.topics import TOPICS_MAX, traded_asset


class Topics:
    """`declare` takes the engine's event."""

    def __init__(
        self,
        feeds: Feeding | None,
        assets: Iterable[str],
        *,
        declare: Callable[[TopicsDeclared], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._feeds = feeds
        self._assets = tuple(assets)
        self._declare = declare
        self._now_ns = now_ns
        self._declared: tuple[str, ...] = ()

    def prepare(self, needs: tuple[str, ...], done: Callable[[str | None], None]) -> None:
        """Follows what is not followed yet, beside the rest. `done` is told None when all of it has a price."""
        names = tuple(sorted({*self._declared, *needs}))
        absent = [name for name in needs if self._feeds is None and self._series_of(name) == name]
        if absent:
            traded = ", ".join(self._assets)
            done(f"this market has no feed for {', '.join(absent)}; it makes the underlyings of {traded}, nothing else")
        elif len(names) > TOPICS_MAX:
            done(f"with those of what still runs it needs {len(names)} topics, over the limit of {TOPICS_MAX}")
        else:
            self._tell(names)
            if self._feeds is None:
                done(None)
            else:
                self._feeds.watch(needs, done)

    def only(self, needs: tuple[str, ...]) -> None:
        """These are all that is needed now; the rest is let go."""
        self._tell(tuple(sorted(needs)))
        if self._feeds is not None:
            self._feeds.watch_only(needs)

    def _series_of(self, name: str) -> str:
        if self._feeds is not None:
            return self._feeds.series_of(name)
        return traded_asset(name, self._assets) or name

    def _tell(self, names: tuple[str, ...]) -> None:
        if names != self._declared:
            self._declared = names
            self._declare(TopicsDeclared(self._now_ns(), tuple((name, self._series_of(name)) for name in names)))
