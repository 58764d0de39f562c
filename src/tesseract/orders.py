"""What the running program and the one who prepares releases for it tell each other."""

import msgspec

from tesseract.calls import HostSpec, Loaded
from tesseract.release import Release
from tesseract.staging import Report, Rules, StateNow, Strategy
from tesseract.store_entry import Origin


class Workplace(msgspec.Struct, frozen=True, kw_only=True):
    """What a workshop is told at its start. `tree` is the folder with the live code, `store` that of the releases.
    `follow` says what deploys by itself: saved files, commits of `branch` in `repository`, or nothing. `keep` is how
    many releases keep their copy; `package` names the live package. Durations are seconds."""

    tree: str
    store: str
    contract: str
    strategies: tuple[Strategy, ...]
    package: str = "strategy"
    follow: str = "files"
    repository: str = ""
    branch: str = ""
    subfolder: str = ""
    keep: int = 200
    rules: Rules = Rules()
    resident: tuple[str, ...] = ()
    quiet_one_s: float = 0.020
    quiet_many_s: float = 0.300


class Running(msgspec.Struct, frozen=True):
    """What answers now in one strategy."""

    release: Release
    revision: int
    overrides: dict[str, object]


class Take(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Prepare a release. `what` is `tree` (the live folder, or the one at `where`), `commit` (a revision of the
    repository), `release` (a number or name of one in the store), `kept` (the one that was kept last) or `params` (what
    runs, with other parameters).
    `request` comes back with everything that is said about it. Without `overrides` the parameters stay what they are.
    """

    request: str
    what: str
    where: str = ""
    origin: Origin = "command"
    author: str = ""
    note: str = ""
    is_forced: bool = False
    overrides: dict[str, object] | None = None
    revision: int = 0


class Stage(msgspec.Struct, frozen=True, tag=True):
    """Stage what was taken. `now` holds the states by strategy, in groups of one schema; `tape` the sizes of the tape's
    files, whose descriptors come with the message; `keys` the keys on it by strategy. The inputs in `later` are on the
    tape, and the states do not know them yet."""

    request: str
    now: dict[str, tuple[StateNow, ...]]
    tape: tuple[int, ...]
    tape_ns: int
    keys: dict[str, frozenset[str]] = {}
    later: frozenset[int] = frozenset()


class Drop(msgspec.Struct, frozen=True, tag=True):
    """What was taken is not wanted any more."""

    request: str
    why: str


class Moved(msgspec.Struct, frozen=True, tag=True):
    """A release has moved in its life; the store keeps it. With `unless_kept` a kept one stays kept."""

    number: int
    state: str
    why: str
    unless_kept: bool = False


class Live(msgspec.Struct, frozen=True, tag=True):
    """What runs, by strategy, and the moves that this brought about. Told at every change."""

    strategies: dict[str, Running]
    moves: tuple[Moved, ...] = ()


Order = Live | Take | Stage | Drop | Moved


class Taken(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A release is in the store, and differs in these strategies from what ran then; now `Stage` or `Drop` it.
    `against` is what ran, by strategy: release number and revision. With `keeps_params` the parameters stay what they
    are. `saved_ns` is the monotonic time of the save behind it, 0 for none."""

    request: str
    release: Release
    strategies: tuple[str, ...]
    revision: int
    overrides: dict[str, object]
    what: str
    against: dict[str, tuple[int, int]]
    keeps_params: bool = False
    saved_ns: int = 0


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing has changed. `step` is snapshot, stage, rehearsal or commit, and of what the program cannot have ready
    prepare; `release` is empty before there is one."""

    request: str
    release: str
    step: str
    problems: tuple[str, ...]


class ReadyHost(msgspec.Struct, frozen=True):
    """One strategy's host. In a process of its own its socket, pidfd and output come with the message."""

    strategy: str
    spec: HostSpec
    loaded: Loaded
    states: dict[str, bytes]


class Staged(msgspec.Struct, frozen=True, tag=True):
    """Only the commit is left."""

    request: str
    hosts: tuple[ReadyHost, ...]
    report: Report


class Waiting(msgspec.Struct, frozen=True, tag=True):
    """Commits of the followed branch that are not live, and since when (ISO 8601); zero and empty for none."""

    commits: int
    since: str
    head: str


class Noticed(msgspec.Struct, frozen=True, tag=True):
    """Something that a person should know: a tree that cannot be read, resident code that changed."""

    text: str


News = Taken | Refused | Staged | Waiting | Noticed
