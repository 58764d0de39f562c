"""The parameters of what runs, or of what the next start brings: their values, and whether a change would fit."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from foresight.bot_folder import BotFolder
from foresight.cli.reading import is_running
from foresight.cli.releasing import modules_of
from foresight.cli.shapes import Leaf, leaves_of, schema_at
from foresight.cli.stored import entries_of, entry_named, imported, newest, release_in, release_of
from foresight.config import load_config
from foresight.runtime.desired import Desired
from foresight.runtime.operator import ParamsDocument
from tesseract import Release, ReleaseStore, RequestRefused, tuned


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy that answers, or will after the next start. `name` is what people call its release."""

    strategy: str
    module: str
    name: str
    release: Release
    revision: int
    overrides: dict[str, object]


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's parameters with some overrides: every value, and every override that does not fit. `dormant` are
    overrides that its release has no parameter for."""

    strategy: str
    name: str
    leaves: dict[str, Leaf]
    values: dict[str, object]
    problems: tuple[str, ...]
    dormant: tuple[str, ...]

    def told(self, problem: str) -> str:
        """A problem with what would fit."""
        leaf = self.leaves.get(_name_in(problem))
        return problem if leaf is None else f"{problem} ({leaf.text()})"


def what_runs(folder: BotFolder) -> list[Runs] | None:
    """Every strategy with what is in force; None when no bot runs. Raises RequestRefused for a bot that starts."""
    document = newest(folder, "params.json", ParamsDocument)
    if document is None and not is_running(folder):
        return None
    if document is None or not document.strategies:
        raise RequestRefused("the bot is starting; ask again when it runs")
    entries = entries_of(folder)
    return [
        Runs(
            strategy=each.strategy,
            module=each.module,
            name=each.release,
            release=release_of(folder, entry_named(entries, each.release))[0],
            revision=each.revision,
            overrides=each.overrides,
        )
        for each in document.strategies
    ]


def what_starts(folder: BotFolder, desired: Desired) -> list[Runs]:
    """Every strategy with what the next start brings: the newest kept release, or else the live folder."""
    kept = ReleaseStore.kept_last(entries_of(folder))
    release = release_in(folder.strategy) if kept is None else release_of(folder, kept)[0]
    return [
        Runs(
            strategy=strategy,
            module=module,
            name=str(folder.strategy) if kept is None else kept.name,
            release=release,
            revision=desired.revision,
            overrides=desired.params,
        )
        for strategy, module in modules_of(load_config(folder.root), folder).items()
    ]


def tuning_of(runs: Runs, overrides: Mapping[str, object]) -> Tuning:
    """What the strategy makes of the overrides. Raises ReleaseRefused when it cannot be imported."""
    with imported(runs.release, runs.module) as host:
        found = tuned(host.guest.params_type, overrides)
        leaves = leaves_of(schema_at(host.loaded.params_schema))
        document = host.loaded.params if found.params is None else msgspec.to_builtins(found.params)
    return Tuning(
        strategy=runs.strategy,
        name=runs.name,
        leaves=leaves,
        values={name: _value_at(document, name) for name in leaves},
        problems=found.problems,
        dormant=found.dormant,
    )


def problems_with(runs: Sequence[Runs], overrides: Mapping[str, object], named: Sequence[str]) -> list[str]:
    """Everything that speaks against these overrides; `named` are the names that a person has just given."""
    tunings = [tuning_of(each, overrides) for each in runs]
    leaves = {name: leaf for tuning in tunings for name, leaf in tuning.leaves.items()}
    known = {name for name in overrides if not all(name in tuning.dormant for tuning in tunings)} | leaves.keys()
    tables = {name for name in named if any(each.startswith(f"{name}.") for each in leaves)}
    releases = " and ".join(dict.fromkeys(each.name for each in runs))
    problems = [problem for name in named for problem in _name_problems(name, sorted(leaves), known, releases)]
    for tuning in tunings:
        where = f"{tuning.strategy}: " if tuning.strategy else ""
        problems += [f"{where}{tuning.told(each)}" for each in tuning.problems if _name_in(each) not in tables]
    return list(dict.fromkeys(problems))


def _name_problems(name: str, leaves: Sequence[str], known: set[str], releases: str) -> Iterator[str]:
    inside = [each for each in leaves if each.startswith(f"{name}.")]
    if inside:
        yield f"{name} is a table; set one of {', '.join(inside)}"
    elif name not in known:
        close = difflib.get_close_matches(name, leaves, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        yield f"{name}: there is no such parameter in {releases}{meant}"


def _name_in(problem: str) -> str:
    """The name that `tesseract.tuned` tells a problem of."""
    return problem.partition(" = ")[0]


def _value_at(document: object, name: str) -> object:
    for part in name.split("."):
        if not isinstance(document, dict):
            return msgspec.UNSET
        document = document.get(part, msgspec.UNSET)
    return document
