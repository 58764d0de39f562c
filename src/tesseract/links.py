"""The deployer's link to the workshop, and the one to a workshop inside this process.

A link takes orders without waiting and brings news. Those of a workshop inside this process come before `order`
returns.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from tesseract.contract import Contract
from tesseract.host import Host, InProcessHost
from tesseract.openers import InProcessOpener
from tesseract.orders import News, Order, Staged, Workplace
from tesseract.round_trips import RoundTrips
from tesseract.workshop import Workshop


class WorkshopLink(Protocol):
    """What the deployer asks of a link. `on_news` is set by it, and gets what the workshop says with the hosts."""

    on_news: Callable[[News, list[Host]], None]
    round_trips: RoundTrips

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None: ...
    def close(self) -> None: ...


class InProcessLink:
    """A workshop in this process, with hosts in this process: for tests, simulation and small programs."""

    def __init__(self, place: Workplace, contract: Contract, now_ns: Callable[[], int]) -> None:
        self.on_news: Callable[[News, list[Host]], None] = lambda _news, _hosts: None
        self.round_trips = RoundTrips()
        self.workshop = Workshop(place, InProcessOpener(contract), now_ns)

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None:
        for news in self.workshop.obey(order, [file for file, _ in tape]):
            self.tell(news)
        for news in self.workshop.settle():
            self.tell(news)

    def tell(self, news: News) -> None:
        hosts: list[Host] = []
        if isinstance(news, Staged):
            for one in self.workshop.hosts_of(news.request):
                assert isinstance(one.host, InProcessHost)
                hosts.append(one.host)
        self.on_news(news, hosts)

    def close(self) -> None:
        """Nothing runs beside the caller."""
