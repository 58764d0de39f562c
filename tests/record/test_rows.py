"""Every kind of event survives its row exactly."""

import struct
import typing

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.markets import Market
from foresight.record.kinds import KINDS, Recorded
from foresight.record.rows import SCHEMA, events_of, table_of

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
markets = st.builds(Market, market_id=TEXTS, asset=TEXTS, timeframe=TEXTS, start_ns=INTEGERS, end_ns=INTEGERS)
st.register_type_strategy(int, INTEGERS)
st.register_type_strategy(str, TEXTS)
st.register_type_strategy(float, st.floats(allow_nan=True, allow_infinity=True))


def _hinted(kind: type[Recorded]) -> dict[str, st.SearchStrategy[object]]:
    return {name: _of(hint) for name, hint in typing.get_type_hints(kind).items()}


def _of(hint: object) -> st.SearchStrategy[object]:
    if hint == tuple[tuple[int, int], ...]:
        return st.lists(st.tuples(INTEGERS, INTEGERS), max_size=4).map(tuple)
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return st.from_type(typing.cast("type[object]", hint))


def exact(event: Recorded) -> bytes:
    """Every bit of an event: two floats that are no number are told apart, too."""
    floats = [value for value in msgspec.structs.astuple(event) if isinstance(value, float)]
    return msgspec.msgpack.encode(event) + b"".join(struct.pack("<d", value) for value in floats)


EVENTS = st.one_of([st.builds(kind, **_hinted(kind)) for kind in KINDS.values()])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_survives_its_row_exactly(kind: type[Recorded]) -> None:
    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.builds(kind, **_hinted(kind)), min_size=1, max_size=4))
    def survives(events: list[Recorded]) -> None:
        given_back = events_of(table_of(range(1, len(events) + 1), events))
        assert [exact(event) for _, event in given_back] == [exact(event) for event in events]

    survives()


@settings(deadline=None, max_examples=60)
@given(st.lists(EVENTS, max_size=12))
def test_mixed_events_keep_their_order_and_numbers(events: list[Recorded]) -> None:
    seqs = [3 * place + 1 for place in range(len(events))]
    given_back = events_of(table_of(seqs, events))
    assert [seq for seq, _ in given_back] == seqs
    assert [exact(event) for _, event in given_back] == [exact(event) for event in events]
    assert [type(event) for _, event in given_back] == [type(event) for event in events]


def test_the_table_has_one_schema_whatever_is_in_it() -> None:
    timer = KINDS["Timer"](5, 4)  # type: ignore[call-arg]
    assert dict(table_of([], []).schema) == dict(table_of([9], [timer]).schema) == SCHEMA


def test_a_row_of_an_unknown_kind_is_refused() -> None:
    table = table_of([1], [KINDS["Timer"](5, 4)]).with_columns(kind=pl.lit("Foretold"))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="the kind Foretold, which this version does not know"):
        events_of(table)


def test_a_row_that_lacks_a_value_is_refused() -> None:
    table = table_of([1], [KINDS["Timer"](5, 4)]).with_columns(due_ns=pl.lit(None, dtype=pl.Int64))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="Timer without its due_ns"):
        events_of(table)
