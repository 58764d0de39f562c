"""`bot.toml`: what is read from it, and what a refusal tells."""

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.config import UNKNOWN_PASSES, Config, load_config
from foresight.engine.settings import Settings
from foresight.errors import ConfigRefused, Problem
from foresight.markets import DEFAULT_ASSETS

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src/foresight/template/bot.toml"


def a_bot(folder: Path, toml: str | bytes = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bot.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return folder


def problems_of(folder: Path, toml: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigRefused) as refused:
        load_config(a_bot(folder, toml))
    return refused.value.problems


def every_key() -> set[str]:
    sections = Config.model_fields.items()
    keys = {f"{name}.{key}" for name, field in sections for key in type(field.default).model_fields}
    return keys - {"gates.unknown_passes"} | {f"gates.unknown_passes.{gate}" for gate in UNKNOWN_PASSES}


def keys_in(table: dict[str, object], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in table.items():
        is_section = isinstance(value, dict) and bool(value)
        found |= keys_in(value, f"{prefix}{key}.") if is_section else {f"{prefix}{key}"}
    return found


def test_an_empty_file_is_the_defaults_and_they_are_the_engines_own(tmp_path: Path) -> None:
    settings = load_config(a_bot(tmp_path)).settings("simulated")
    slots = tuple((asset, timeframe) for asset in DEFAULT_ASSETS for timeframe in ("5m", "15m"))
    assert settings == Settings(slots=slots, origin="simulated", unknown_passes=UNKNOWN_PASSES)


def test_the_template_has_every_key_with_its_default(tmp_path: Path) -> None:
    text = TEMPLATE.read_text()
    assert keys_in(tomllib.loads(text)) == every_key()
    assert load_config(a_bot(tmp_path / "a", text)).model_dump() == Config().model_dump()


def test_the_template_has_a_comment_above_every_key() -> None:
    lines = TEMPLATE.read_text().splitlines()
    bare = [line for above, line in itertools.pairwise(lines) if "=" in line and line[0] != "#" != above[:1]]
    assert bare == []


def test_the_page_names_every_section_and_key_with_its_default() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    for name, field in Config.model_fields.items():
        section = page.split(f"## [{name}]\n")[1].split("\n## ")[0]
        for key in type(field.default).model_fields:
            assert f"| `{key}` |" in section
    for dotted in every_key():
        value = tomllib.loads(TEMPLATE.read_text())
        *sections, key = dotted.split(".")
        for part in sections:
            value = value[part]
        shown = str(value[key]).replace("'", '"')
        shown = shown.lower() if isinstance(value[key], bool) else shown
        shown = f'"{shown}"' if isinstance(value[key], str) else shown
        assert f"| `{key}` | `{shown}` |" in page


def test_values_reach_the_engine_in_its_units(tmp_path: Path) -> None:
    bot = a_bot(
        tmp_path,
        """
        slots = {assets = ["AVAX"], timeframes = ["15m"]}
        evaluation = {period_s = 10, late_after_ms = 250, on_event_gap_ms = 2000, budget_ms = 10_000}
        staleness = {book_s = 3, underlying_s = 4}
        paper = {deposit_usd = 0.1, settle_by = "twap60"}
        risk.stake_max_usd = 0.000001
        risk.slot_exposure_max_usd = 1.10
        risk.clock_drift_max_ms = 20
        risk.book_age_max_s = 2
        gates.unknown_passes = {depth = false, mine = true}
        """,
    )
    settings = load_config(bot).settings("recorded")
    assert settings.slots == (("AVAX", "15m"),)
    assert (settings.origin, settings.settle_by, settings.deposit_micros) == ("recorded", "twap60", 100_000)
    assert (settings.period_ns, settings.late_after_ns, settings.event_gap_ns) == (10 * 10**9, 250 * 10**6, 2 * 10**9)
    assert (settings.book_stale_ns, settings.underlying_stale_ns) == (3 * 10**9, 4 * 10**9)
    assert (settings.risk.stake_max_micros, settings.risk.slot_exposure_max_micros) == (1, 1_100_000)
    assert (settings.risk.clock_drift_max_ms, settings.risk.book_age_max_ns) == (20.0, 2 * 10**9)
    assert settings.unknown_passes == UNKNOWN_PASSES | {"depth": False, "mine": True}


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=f"run `foresight init {tmp_path}`"):
        load_config(tmp_path)


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    found = [
        str(problem)
        for problem in problems_of(
            tmp_path,
            '[risk]\nstake_max_usd = "five"\nstake_max_us = 5\n\n[slots]\nassets = [\n  "BTC",\n  "btc",\n]\n'
            "[evaluation]\nperiod_s = 7\ndeposit_usd = 3\n[gates.unknown_passes]\ndepth = 3\n[zzz]\n",
        )
    ]
    assert {text.split(": ")[0] for text in found} == {
        "bot.toml:2 [risk] stake_max_usd",
        "bot.toml:3 [risk] stake_max_us",
        "bot.toml:6 [slots] assets[1]",
        "bot.toml:11 [evaluation] period_s",
        "bot.toml:12 [evaluation] deposit_usd",
        "bot.toml:14 [gates.unknown_passes] depth",
        "bot.toml:15 [zzz]",
    }
    told = "\n".join(found)
    assert '"five"; it should be an amount in dollars from 0 to' in told
    assert "did you mean `stake_max_usd`?" in told
    assert '"btc"; it should be 1 to 64 different names in upper-case letters' in told
    assert "7; it should be a whole number of seconds that divides 60, from 1 to 60" in told
    assert "`deposit_usd` belongs in [paper]" in told
    assert "unknown table; the known ones are bot, slots," in told


@pytest.mark.parametrize("amount", ["-0.01", "nan", "inf", "-inf", "0.0000001", "1000000000.5", '"5"', "true", "[5]"])
def test_an_amount_that_is_not_exact_dollars_is_refused(tmp_path: Path, amount: str) -> None:
    (problem,) = problems_of(tmp_path, f"[paper]\ndeposit_usd = {amount}")
    assert problem.place == "bot.toml:2 [paper] deposit_usd"


@given(amount=st.integers(min_value=0, max_value=10**13))
def test_an_amount_with_six_decimals_is_converted_exactly(
    amount: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bot = a_bot(
        tmp_path_factory.getbasetemp() / "exact", f"[paper]\ndeposit_usd = {amount // 10**6}.{amount % 10**6:06}"
    )
    assert load_config(bot).settings("simulated").deposit_micros == amount


@pytest.mark.parametrize(
    ("section", "right", "wrong"),
    [
        ("evaluation", "period_s = 60", "period_s = 120"),
        ("evaluation", "period_s = 1", "period_s = 0"),
        ("evaluation", "period_s = 6", "period_s = 6.0"),
        ("evaluation", "late_after_ms = 5000", "late_after_ms = 5001"),
        ("evaluation", "budget_ms = 5000", "budget_ms = 5001"),
        ("evaluation", "on_event_gap_ms = 50", "on_event_gap_ms = 49"),
        ("staleness", "book_s = 3600", "book_s = 3601"),
        ("venue", "seed = 0", "seed = -1"),
        ("venue", 'source = "simulated"', 'source = "live"'),
        ("paper", 'settle_by = "twap60"', 'settle_by = "me"'),
        ("risk", "stake_max_usd = 10", "stake_max_usd = 10.000001"),
        ("risk", "slot_exposure_max_usd = 5", "slot_exposure_max_usd = 4.999999"),
        ("risk", "total_exposure_max_usd = 60", "total_exposure_max_usd = 59.99"),
        ("risk", "loss_streak_max = 1", "loss_streak_max = true"),
        ("gates", "unknown_passes_by_default = true", "unknown_passes_by_default = 1"),
        ("slots", 'assets = ["1INCH"]', "assets = []"),
        ("slots", 'assets = ["A", "B"]', 'assets = ["A", "A"]'),
        ("slots", 'timeframes = ["5m"]', 'timeframes = ["1h"]'),
        ("bot", f'name = "{"a" * 32}"', f'name = "{"a" * 33}"'),
    ],
)
def test_both_sides_of_a_boundary(tmp_path: Path, section: str, right: str, wrong: str) -> None:
    load_config(a_bot(tmp_path, f"[{section}]\n{right}"))
    (problem,) = problems_of(tmp_path, f"[{section}]\n{wrong}")
    assert problem.place.startswith(f"bot.toml:2 [{section}]") or "by default" in problem.found


def test_a_contradiction_names_both_keys_and_is_told_beside_other_problems(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "[risk]\nslot_exposure_max_usd = 3\n[paper]\ndeposit_usd = -1")
    assert (
        str(found[1])
        == "bot.toml:2 [risk] slot_exposure_max_usd: 3; it should be no less than stake_max_usd, which is 5"
    )


def test_a_contradiction_with_a_key_that_is_wrong_itself_is_not_told(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "[risk]\nslot_exposure_max_usd = 3\nstake_max_usd = true")
    assert problem.place == "bot.toml:3 [risk] stake_max_usd"


def test_a_syntax_error_tells_line_column_and_text(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "[risk]\nstake_max_usd 5\n")
    assert problem.place.startswith("bot.toml:2, column ")
    assert problem.right == "the line is `stake_max_usd 5`"


@pytest.mark.parametrize("toml", [b"\xff\xfe", b"x = [" * 5000, b"x = " + b"9" * 5000, b"#" * 70_000, b'x = """'])
def test_what_is_not_readable_toml_is_refused(tmp_path: Path, toml: bytes) -> None:
    assert len(problems_of(tmp_path, toml)) == 1


def test_the_line_is_found_behind_texts_that_look_like_keys_and_with_windows_line_ends(tmp_path: Path) -> None:
    toml = '[bot]\nname = """\n[risk]\nstake_max_usd = 1\n"""\n# stake_max_usd\n[risk]\nstake_max_usd = -1\n'
    assert {problem.place for problem in problems_of(tmp_path, toml.replace("\n", "\r\n"))} == {
        "bot.toml:2 [bot] name",
        "bot.toml:8 [risk] stake_max_usd",
    }


def test_a_value_of_many_lines_leaves_later_problems_without_a_line(tmp_path: Path) -> None:
    toml = "x = [" + "1,\n" * 300 + "]\n[risk]\nstake_max_usd = -1"
    assert "bot.toml [risk] stake_max_usd" in {problem.place for problem in problems_of(tmp_path, toml)}


NAMES = st.sampled_from([*sorted({part for key in every_key() for part in key.split(".")}), "x", '""', '"a\\nb"'])
NUMBERS = ["1", "-1", "0x" + "f" * 60, "1e400", "nan", "true", "2020-01-01", "07:00:00"]
TEXTS = ['""', '"x"', '"\\u0000"', '"~nobody/x"', '"../s"', '"\\t"', "'''\n'''"]
NESTED = ["[]", '["BTC"]', "[[1], {a = 2}]", "{}", "{a = {b = 1}}", "[\n1\n]"]
VALUES = st.sampled_from(NUMBERS + TEXTS + NESTED)
TABLES = [f"[{name}]" for name in Config.model_fields]
SECTIONS = st.sampled_from([*TABLES, "[gates.unknown_passes]", "[x.y]", "[[risk]]", "#"])
LINES = st.lists(st.one_of(SECTIONS, st.tuples(NAMES, VALUES).map(" = ".join), st.text(max_size=12)), max_size=12)


def config_or_refusal(bot: Path) -> Config | ConfigRefused:
    try:
        config = load_config(bot)
    except ConfigRefused as refused:
        return refused if refused.problems and str(refused) else pytest.fail("a refusal without a reason")
    return config if config.settings("simulated").slots else pytest.fail("a bot without slots")


@given(lines=LINES)
def test_any_text_gives_a_config_or_a_refusal(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    bot = a_bot(tmp_path_factory.getbasetemp() / "any", "\n".join(lines).encode("utf-8", "replace"))
    assert isinstance(config_or_refusal(bot), Config | ConfigRefused)


@given(section=SECTIONS, name=NAMES, value=VALUES)
def test_any_single_key_gives_a_config_or_a_refusal(
    section: str, name: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bot = a_bot(tmp_path_factory.getbasetemp() / "single", f"{section}\n{name} = {value}\n")
    outcome = config_or_refusal(bot)
    problems = outcome.problems if isinstance(outcome, ConfigRefused) else ()
    assert all(problem.place.startswith("bot.toml:") for problem in problems)


def test_a_document_nested_by_thousands_is_refused(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "a" + ".a" * 3_000 + " = 1")[0].found == "unknown table"
