"""Parameters: overrides within their types and ranges, every mistake named, and what no release has stays asked for."""

from typing import Annotated

import msgspec
import pytest

from tesseract import flat, tuned


class Momentum(msgspec.Struct, frozen=True):
    s30: float = 0.4
    s60: float = 0.3


class Params(msgspec.Struct, frozen=True):
    price_max: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9
    bets: int = 3
    momentum: Momentum = Momentum()
    assets: tuple[str, ...] = ("BTC",)


def test_without_overrides_the_defaults_are_in_force() -> None:
    found = tuned(Params, {})

    assert (found.params, found.problems, found.dormant) == (Params(), (), ())


def test_overrides_take_the_place_of_defaults_also_inside_of_tables() -> None:
    found = tuned(Params, {"bets": 5, "momentum.s30": 0.5})

    assert found.params == Params(bets=5, momentum=Momentum(s30=0.5))


def test_what_an_override_stands_in_front_of_is_told() -> None:
    assert tuned(Params, {"momentum.s30": 0.5, "nothing": 1}).overridden == {"momentum.s30": 0.4}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("bets", "five", "bets = 'five': Expected `int`, got `str` - at `$.bets`"),
        ("bets", 5.5, "bets = 5.5: Expected `int`, got `float` - at `$.bets`"),
        ("price_max", 1.01, "price_max = 1.01: Expected `float` <= 1.0 - at `$.price_max`"),
        ("price_max", None, "price_max = None: Expected `float`, got `null`"),
        ("momentum.s30", [], "momentum.s30 = []: Expected `float`, got `array` - at `$.momentum.s30`"),
        ("momentum", 3, "momentum = 3: Expected `object`, got `int` - at `$.momentum`"),
    ],
)
def test_an_override_that_does_not_fit_is_named_with_its_value_and_its_limit(
    name: str, value: object, sentence: str
) -> None:
    found = tuned(Params, {"bets": 4, name: value})

    assert found.params is None
    (problem,) = found.problems
    assert problem.startswith(sentence)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_of_a_range_fit(value: float) -> None:
    assert tuned(Params, {"price_max": value}).problems == ()


def test_every_override_that_does_not_fit_is_named() -> None:
    assert len(tuned(Params, {"bets": "x", "price_max": 7, "momentum.s60": "y", "assets": [1]}).problems) == 4


@pytest.mark.parametrize("name", ["nothing", "momentum.nothing", "bets.deeper", "nothing.s30", ""])
def test_an_override_that_this_release_has_no_parameter_for_is_dormant_and_no_problem(name: str) -> None:
    found = tuned(Params, {name: 1})

    assert (found.params, found.problems, found.dormant) == (Params(), (), (name,))


def test_dormant_overrides_are_named_beside_problems() -> None:
    found = tuned(Params, {"bets": "x", "nothing": 1})

    assert (found.params, found.dormant, len(found.problems)) == (None, ("nothing",), 1)


def test_tables_are_flattened_to_dotted_names() -> None:
    assert flat(msgspec.to_builtins(Params())) == {
        "price_max": 0.9,
        "bets": 3,
        "momentum.s30": 0.4,
        "momentum.s60": 0.3,
        "assets": ("BTC",),
    }
