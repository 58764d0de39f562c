"""Parameters as people read them."""

from typing import Annotated, Literal

import msgspec
import pytest

from foresight.cli.shapes import leaves_of, range_text, schema_at
from tesseract.schema import schema_of


class Inner(msgspec.Struct, frozen=True):
    low: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    high: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.6


class Params(msgspec.Struct, frozen=True, rename={"renamed": "asWritten"}):
    count: Annotated[int, msgspec.Meta(ge=1)] = 3
    inner: Inner = Inner(low=0.25)
    kind: Literal["a", "b"] = "a"
    name: Annotated[str, msgspec.Meta(max_length=4)] = ""
    maybe: float | None = None
    is_on: bool = True
    many: list[Annotated[int, msgspec.Meta(ge=0, le=9)]] = []
    weights: dict[str, float] = {}
    pair: tuple[int, str] = (1, "x")
    renamed: int = 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count", "whole number, at least 1, default 3"),
        ("inner.low", "number, 0 to 1, default 0.25"),
        ("inner.high", "number, over 0, under 1, default 0.6"),
        ("kind", '"a" or "b", default "a"'),
        ("name", 'text, length at most 4, default ""'),
        ("maybe", "null or number, default null"),
        ("is_on", "true or false, default true"),
        ("many", "list of whole number (0 to 9), default []"),
        ("weights", "table of text to number, default {}"),
        ("pair", 'tuple of whole number, text, default [1,"x"]'),
        ("asWritten", "whole number, default 1"),
    ],
)
def test_a_parameter_is_told_with_type_range_and_default(name: str, text: str) -> None:
    assert leaves_of(schema_at(schema_of(Params)))[name].text() == text


def test_every_value_is_told_and_tables_are_none() -> None:
    leaves = leaves_of(schema_at(schema_of(Params)))
    assert len(leaves) == len(Params.__struct_fields__) + 1
    assert "inner" not in leaves


def test_every_limit_of_a_type_has_words() -> None:
    limits = {"ge": 1, "lt": 2.5, "multiple_of": 0.5, "min_length": 1, "pattern": "^a", "tz": True}
    assert range_text(limits) == (
        'at least 1, under 2.5, a multiple of 0.5, length at least 1, like "^a", with a time zone: true'
    )
