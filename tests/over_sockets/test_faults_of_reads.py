"""Faults of REST reads under a running bot. The market channel says nothing of one slot all the time, so that its books
come by REST alone: what fails there blinds that slot and no other."""

from pathlib import Path

import pytest

from over_sockets.faulty import (
    ASSETS,
    SPEED,
    Case,
    a_knocking_bot,
    assert_replays,
    orders_on_old_data,
    refused_as_stale,
    try_each,
)
from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import a_venue

ONE = {"eth-5m": "blind: book"}
BOOKS = {"target": "/books"}
CLOB = frozenset({"clob"})
QUIET = (Case(fault="stall", asked={"target": "eth-5m"}),)
LIMITS: dict[str, dict[str, object]] = {"staleness": {"book_s": 20}, "risk": {"book_age_max_s": 15}}
"""Quiet books are read once a second, which is five seconds of the market's time here."""
READS = (
    *(
        Case(fault=fault, asked=BOOKS, parameters=parameters, blind=ONE, failing=CLOB, beside=QUIET)
        for fault, parameters in (
            ("http_429", {}),
            ("http_429", {"retry_after": 2}),
            ("http_418", {"retry_after": 2}),
            ("http_500", {}),
            ("http_503", {}),
            ("http_reset", {}),
        )
    ),
    Case(fault="http_slow", asked=BOOKS, parameters={"delay_s": 6.0}, blind=ONE, beside=QUIET),
    Case(fault="book_404", asked={"target": "eth-5m"}, blind=ONE, beside=QUIET),
)


@pytest.mark.process
def test_faults_of_books_that_are_read(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        await try_each(run, READS)

    with a_venue(tmp_path / "venue", "--speed", str(SPEED), *ASSETS) as venue:
        bot = run_over_sockets(a_knocking_bot(tmp_path, **LIMITS), venue, work)
    assert orders_on_old_data(bot) == []
    assert refused_as_stale(bot) == {"eth-5m"}
    assert_replays(bot)
