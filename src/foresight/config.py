"""The bot's configuration: what `bot.toml` may say, and, for a file that is wrong, every problem in it at once.

Each key is declared once, with its type, its default, its range and the sentence that a refusal prints. The document
is judged in three passes, and each pass takes what it refuses out, so that the next one can judge the rest: what looks
like a secret, what breaks a key's own rule, and what contradicts another key. Functions that hold the file's text or
document return problems as values, so that no traceback has a frame with a secret among its local variables.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from foresight.engine.settings import RiskLimits, Settings
from foresight.errors import ConfigRefused, Problem
from foresight.markets import DEFAULT_ASSETS, SECOND_NS, Origin, slot_id
from foresight.money import MICROS
from foresight.secrets import FILE_BYTES_MAX, NOT_HERE, file_problem, resolved_file, secret_paths, syntax_problem
from foresight.toml_places import Keys, lines_of, place_of, shown, value_at, without

FILE = "bot.toml"
USD_MAX = 1_000_000_000
MS_PER_S = 1_000
NS_PER_MS = 1_000_000

UNKNOWN_PASSES = dict.fromkeys(("spread", "depth", "volatility", "overreaction"), True) | dict.fromkeys(
    ("snipe_window", "price_band", "confirmation", "edge", "staleness"), False
)
"""The gates of the strategy that ships; recorded quotes lack the depth and the ticks that three of them look at."""

Item = TypeVar("Item")

_NO_LESS = (
    ("risk", "slot_exposure_max_usd", "stake_max_usd"),
    ("risk", "asset_exposure_max_usd", "slot_exposure_max_usd"),
    ("risk", "timeframe_exposure_max_usd", "slot_exposure_max_usd"),
    ("risk", "total_exposure_max_usd", "asset_exposure_max_usd"),
    ("risk", "total_exposure_max_usd", "timeframe_exposure_max_usd"),
    ("evaluation", "period_s", "late_after_ms"),
    ("evaluation", "period_s", "budget_ms"),
)


def _exact_usd(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")  # noqa: TRY004  pydantic makes a problem of a ValueError only
    if not 0 <= value <= USD_MAX:  # NaN and infinity fail this, too; huge integers never become text.
        raise ValueError("out of range")
    amount = Decimal(str(value))
    if amount * MICROS % 1:
        raise ValueError("more than 6 decimals")
    return amount


def _divides_a_minute(value: int) -> int:
    if 60 % value:
        raise ValueError("not a divisor of 60")
    return value


def _distinct(values: tuple[Item, ...]) -> tuple[Item, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError("empty, or one listed twice")
    return values


Usd = Annotated[Decimal, BeforeValidator(_exact_usd)]
Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]


def _whole(default: int, low: int, high: int, what: str) -> int:
    return Field(default=default, ge=low, le=high, description=f"a whole number {what} from {low} to {high}")


def _usd(default: int) -> Decimal:
    sentence = f"an amount in dollars from 0 to {USD_MAX:,} with at most 6 decimals, such as {default}.0"
    return Field(default=Decimal(default), description=sentence)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class BotSection(_Section):
    name: str = Field(
        default="foresight",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}$",
        description="1 to 32 letters, digits, spaces, dots, dashes and underscores, the first a letter or digit",
    )


class SlotsSection(_Section):
    assets: Annotated[tuple[Asset, ...], Field(strict=False), AfterValidator(_distinct)] = Field(
        default=DEFAULT_ASSETS,
        max_length=64,
        description='1 to 64 different names in upper-case letters and digits, such as ["BTC", "ETH"]',
    )
    timeframes: Annotated[tuple[Literal["5m", "15m"], ...], Field(strict=False), AfterValidator(_distinct)] = Field(
        default=("5m", "15m"), description='"5m", "15m" or both, each once, such as ["5m", "15m"]'
    )


class VenueSection(_Section):
    source: Literal["local", "simulated", "polymarket"] = Field(
        default="local", description='"local", "simulated" or "polymarket"'
    )
    address: str = Field(
        default="",
        pattern=r"^(http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5})?$",
        description='the address of a local venue that runs already, such as "http://127.0.0.1:8170", or ""',
    )
    seed: int = _whole(7, 0, 2**63 - 1, "(any will do)")
    redundant: bool = Field(default=False, description="true or false")
    rtds: bool = Field(default=False, description="true or false")
    website: bool = Field(default=True, description="true or false")


class EvaluationSection(_Section):
    period_s: Annotated[int, AfterValidator(_divides_a_minute)] = _whole(5, 1, 60, "of seconds that divides 60,")
    late_after_ms: int = _whole(500, 1, 60_000, "of milliseconds")
    on_event_gap_ms: int = _whole(1_000, 50, 60_000, "of milliseconds")
    budget_ms: int = _whole(400, 1, 60_000, "of milliseconds")


class StalenessSection(_Section):
    book_s: int = _whole(15, 1, 3_600, "of seconds")
    underlying_s: int = _whole(15, 1, 3_600, "of seconds")
    reference_s: int = _whole(120, 1, 3_600, "of seconds")


class PaperSection(_Section):
    deposit_usd: Usd = _usd(1_000)
    settle_by: Literal["venue", "twap60"] = Field(default="venue", description='"venue" or "twap60"')


class RiskSection(_Section):
    stake_max_usd: Usd = _usd(5)
    slot_exposure_max_usd: Usd = _usd(10)
    asset_exposure_max_usd: Usd = _usd(20)
    timeframe_exposure_max_usd: Usd = _usd(60)
    total_exposure_max_usd: Usd = _usd(80)
    daily_loss_max_usd: Usd = _usd(50)
    loss_streak_max: int = _whole(8, 1, 10_000, "of losses in a row")
    orders_per_minute_max: int = _whole(30, 1, 10_000, "of orders")
    book_age_max_s: int = _whole(10, 1, 3_600, "of seconds")
    underlying_age_max_s: int = _whole(10, 1, 3_600, "of seconds")
    reference_age_max_s: int = _whole(120, 1, 3_600, "of seconds")
    clock_drift_max_ms: int = _whole(500, 1, 60_000, "of milliseconds")

    def limits(self) -> RiskLimits:
        return RiskLimits(
            stake_max_micros=_micros(self.stake_max_usd),
            slot_exposure_max_micros=_micros(self.slot_exposure_max_usd),
            asset_exposure_max_micros=_micros(self.asset_exposure_max_usd),
            timeframe_exposure_max_micros=_micros(self.timeframe_exposure_max_usd),
            total_exposure_max_micros=_micros(self.total_exposure_max_usd),
            daily_loss_max_micros=_micros(self.daily_loss_max_usd),
            loss_streak_max=self.loss_streak_max,
            orders_per_minute_max=self.orders_per_minute_max,
            book_age_max_ns=self.book_age_max_s * SECOND_NS,
            underlying_age_max_ns=self.underlying_age_max_s * SECOND_NS,
            reference_age_max_ns=self.reference_age_max_s * SECOND_NS,
            clock_drift_max_ms=float(self.clock_drift_max_ms),
        )


class GatesSection(_Section):
    unknown_passes_by_default: bool = Field(default=False, description="true or false")
    unknown_passes: Annotated[dict[str, bool], AfterValidator(lambda gates: UNKNOWN_PASSES | gates)] = Field(
        default=UNKNOWN_PASSES, description="true or false for each gate, such as `depth = true`"
    )


class StrategyEntry(_Section):
    module: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")
    slots: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class DeploySection(_Section):
    follow: Literal["files", "git", "none"] = Field(default="files", description='"files", "git" or "none"')
    repository: str = Field(default="", description='a path or an address of a git repository, or "" for this folder')
    branch: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$",
        description="the name of a branch, such as main",
    )
    subfolder: str = Field(default="strategy", description='the folder of the live code in the repository, or ""')
    rehearse_min: int = _whole(15, 0, 60, "of minutes")
    probation_rounds: int = _whole(12, 1, 1_000, "of rounds")
    keep_releases: int = _whole(200, 2, 100_000, "of releases")
    memory_mb: int = _whole(1_024, 64, 65_536, "of MiB")
    strategies: dict[str, StrategyEntry] = Field(
        default={},
        description='a table such as fast = { module = "strategy.fast", slots = ["btc-5m"] }',
    )


class RecordSection(_Section):
    on: bool = Field(default=True, description="true or false")
    keep_gb: int = _whole(20, 1, 100_000, "of gigabytes")


class SecretsSection(_Section):
    file: str = Field(default="", description='the path of a file outside the bot folder, or "" for none')


class Config(_Section):
    """What `bot.toml` says, with the defaults for all it leaves out. Money is exact dollars (Decimal)."""

    bot: BotSection = BotSection()
    slots: SlotsSection = SlotsSection()
    venue: VenueSection = VenueSection()
    evaluation: EvaluationSection = EvaluationSection()
    staleness: StalenessSection = StalenessSection()
    paper: PaperSection = PaperSection()
    risk: RiskSection = RiskSection()
    gates: GatesSection = GatesSection()
    deploy: DeploySection = DeploySection()
    record: RecordSection = RecordSection()
    secrets: SecretsSection = SecretsSection()
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def secrets_file(self) -> Path | None:
        """The real path of `[secrets] file`, or None when there is none."""
        return resolved_file(self._folder, self.secrets.file) if self.secrets.file else None

    def settings(self, origin: Origin) -> Settings:
        """What the engine is told. `evaluation.budget_ms` is not part of it: it is for the host of live code."""
        return Settings(
            slots=tuple((asset, timeframe) for asset in self.slots.assets for timeframe in self.slots.timeframes),
            origin=origin,
            period_ns=self.evaluation.period_s * SECOND_NS,
            late_after_ns=self.evaluation.late_after_ms * NS_PER_MS,
            event_gap_ns=self.evaluation.on_event_gap_ms * NS_PER_MS,
            book_stale_ns=self.staleness.book_s * SECOND_NS,
            underlying_stale_ns=self.staleness.underlying_s * SECOND_NS,
            reference_stale_ns=self.staleness.reference_s * SECOND_NS,
            risk=self.risk.limits(),
            unknown_passes=dict(self.gates.unknown_passes),
            unknown_passes_by_default=self.gates.unknown_passes_by_default,
            settle_by=self.paper.settle_by,
            deposit_micros=_micros(self.paper.deposit_usd),
        )


def _micros(usd: Decimal) -> int:
    return int(usd * MICROS)


def load_config(bot: Path) -> Config:
    """The configuration in the bot folder. Raises ConfigRefused with every problem; the file is only read."""
    outcome = _read(bot)
    if isinstance(outcome, Config):
        return outcome
    raise ConfigRefused(outcome)


def _read(bot: Path) -> Config | list[Problem]:
    path = bot / FILE
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return [Problem(str(path), "there is no such file", f"run `foresight init {bot}`, or name another --bot")]
    except OSError as error:
        return [Problem(str(path), f"cannot be read: {error.strerror}", "make it a file that this user may read")]
    if len(raw) > FILE_BYTES_MAX:
        return [Problem(FILE, "too long", f"it may have at most {FILE_BYTES_MAX} bytes")]
    try:
        text = raw.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return [Problem(FILE, f"not text in UTF-8 at byte {error.start}", "save it as UTF-8")]
    except (ValueError, RecursionError) as error:
        return [syntax_problem(FILE, text, str(error))]
    return _judged(document, lines_of(text), bot)


def _judged(document: dict[str, object], lines: Mapping[Keys, int], bot: Path) -> Config | list[Problem]:
    secret = secret_paths(document)
    problems = [Problem(place_of(FILE, path, document, lines), "this looks like a secret", NOT_HERE) for path in secret]
    document = without(document, secret)
    broken: list[Keys] = []
    try:
        Config.model_validate(document)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            broken.append(detail["loc"])
            told = _stranger if detail["type"] == "extra_forbidden" else _misuse
            found, right = told(detail["loc"], value_at(document, detail["loc"]))
            problems.append(Problem(place_of(FILE, detail["loc"], document, lines), found, right))
    config = Config.model_validate(without(document, broken))
    config._folder = bot  # noqa: SLF001  private to this file, so that bot.toml cannot set it
    refused = {path[:2] for path in (*secret, *broken)}
    problems += [problem for keys, problem in _contradictions(config, lines) if not keys & refused]
    return problems or config


def _misuse(path: Keys, value: object) -> tuple[str, str]:
    """What stands at a known key, and what would be right there."""
    if len(path) == 1:
        return shown(value), f"it should be a table, written [{path[0]}]"
    return shown(value), f"it should be {_SECTIONS[str(path[0])].model_fields[str(path[1])].description}"


def _stranger(path: Keys, value: object) -> tuple[str, str]:
    """What stands at an unknown key (its value is not told), and the known one that may be meant."""
    name = str(path[-1])
    found = "unknown table" if isinstance(value, dict) else "unknown key"
    homes = [section for section, model in _SECTIONS.items() if name in model.model_fields]
    if homes:
        return found, f"`{name}` belongs in [{homes[0]}]"
    known = list(_SECTIONS if len(path) == 1 else _SECTIONS[str(path[0])].model_fields)
    close = difflib.get_close_matches(name, known, n=1)
    return found, f"did you mean `{close[0]}`?" if close else f"the known ones are {', '.join(known)}"


def _contradictions(config: Config, lines: Mapping[Keys, int]) -> Iterator[tuple[set[Keys], Problem]]:
    """What is right by itself and wrong beside something else, with the keys that it is about."""
    for section, larger, smaller in _NO_LESS:
        high, low = (getattr(getattr(config, section), key) for key in (larger, smaller))
        if high * (MS_PER_S if larger.endswith("_s") else 1) < low:
            place = place_of(FILE, (section, larger), {}, lines)
            found = f"{high}" if (section, larger) in lines else f"{high} by default"
            right = f"it should be no less than {smaller}, which is {low}"
            yield {(section, larger), (section, smaller)}, Problem(place, found, right)
    yield from _strategy_problems(config, lines)
    wrong = file_problem(config)
    if wrong:
        place = place_of(FILE, ("secrets", "file"), {}, lines)
        yield {("secrets", "file")}, Problem(place, shown(config.secrets.file), wrong)


def _strategy_problems(config: Config, lines: Mapping[Keys, int]) -> Iterator[tuple[set[Keys], Problem]]:
    """Slots of a strategy that the bot does not trade, and slots of two strategies."""
    traded = {slot_id(asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes}
    taken: dict[str, str] = {}
    for name, entry in config.deploy.strategies.items():
        keys: Keys = ("deploy", "strategies", name)
        for slot in entry.slots:
            found = f"{slot} belongs to {taken[slot]} already" if slot in taken else f"{slot} is not traded here"
            if slot in taken or slot not in traded:
                right = f"the slots are {', '.join(sorted(traded))}, each of one strategy"
                yield {("deploy", "strategies")}, Problem(place_of(FILE, keys, {}, lines), found, right)
            taken[slot] = name


_SECTIONS = {name: type(field.default) for name, field in Config.model_fields.items()}
