"""What `diff` tells of two releases, and what it makes of those that cannot be compared."""

import shutil
import subprocess
from pathlib import Path

import pytest

from foresight.bot_folder import BotFolder
from foresight.cli.differences import LINES_BYTES_MAX, Diff, diff_of
from foresight.cli.releasing import Answering, Deploy, Shadow, Slot, document_of
from foresight.cli.stored import entries_of
from foresight.errors import BotFolderRefused
from foresight.runtime.clock import wall_ns
from tesseract import Entry, ReleaseStore, RequestRefused

CODE = """
import msgspec
from foresight.strategy import Evaluation

class Params(msgspec.Struct, frozen=True):
    weight: float = 0.5

class State(msgspec.Struct, frozen=True):
    looks: int = 0

def evaluate(view, state, params):
    return Evaluation(state)
"""
MODULES = {"": "strategy"}


@pytest.fixture
def folder(tmp_path: Path) -> BotFolder:
    return BotFolder(tmp_path)


def taken(folder: BotFolder, code: str = CODE, **files: bytes) -> Entry:
    """A release of the store with this package."""
    contents = {"__init__.py": code.encode()} | {name.replace("_dot_", "."): each for name, each in files.items()}
    store = ReleaseStore(folder.releases)
    release = store.take(contents, "strategy", origin="command", author="ana", parent=None, now_ns=wall_ns())
    return store.entry(release.number)


def told(folder: BotFolder, before: Entry, after: Entry) -> Diff:
    return diff_of(folder, before, after, MODULES)


def test_the_lines_of_a_diff_are_a_patch(folder: BotFolder) -> None:
    before = taken(folder, notes_dot_txt=b"one\r\ntwo\nthree", gone_dot_txt=b"bye\n")
    after = taken(folder, CODE + "# more\n", notes_dot_txt=b"one\r\ntwo\nfour", new_dot_txt="ä\tb\n".encode())
    found = told(folder, before, after)
    assert {file.name: file.change for file in found.files} == {
        "__init__.py": "changed", "notes.txt": "changed", "gone.txt": "removed", "new.txt": "added",
    }  # fmt: skip
    work = folder.root / "work"
    shutil.copytree(folder.releases / before.digest[:16] / "strategy", work)
    patch = "".join(f"{line}\n" for file in found.files for line in file.lines).encode()
    subprocess.run(["patch", "--strip=1", "--binary"], input=patch, cwd=work, check=True, capture_output=True)
    wanted = folder.releases / after.digest[:16] / "strategy"
    left = {path.name: path.read_bytes() for path in work.iterdir() if path.stat().st_size}
    assert left == {path.name: path.read_bytes() for path in wanted.iterdir()}


def test_files_that_are_no_text_are_named_with_their_sizes(folder: BotFolder) -> None:
    before = taken(folder, table_dot_bin=b"\0", latin_dot_txt=b"\xe4")
    after = taken(folder, table_dot_bin=b"\0\0", latin_dot_txt=b"\xf6", long_dot_txt=b"x" * (LINES_BYTES_MAX + 1))
    files = told(folder, before, after).files
    assert [(file.name, file.is_text, file.bytes_after, file.lines) for file in files] == [
        ("latin.txt", False, 1, ()), ("long.txt", False, LINES_BYTES_MAX + 1, ()), ("table.bin", False, 2, ()),
    ]  # fmt: skip


def test_parameters_and_the_state_are_compared_field_by_field(folder: BotFolder) -> None:
    before = taken(folder)
    after = taken(folder, CODE.replace("weight: float = 0.5", "speed: int = 2").replace("looks: int", "looks: float"))
    found = told(folder, before, after).strategies[0]
    assert found.params.removed == {"weight": "number, default 0.5"}
    assert found.params.added == {"speed": "whole number, default 2"}
    assert found.state.changed == {"State.looks": ("whole number, default 0", "number, default 0")}
    assert not found.is_same_state
    assert found.carry_problems == ()


def test_a_state_that_could_not_be_carried_is_told_with_its_field(folder: BotFolder) -> None:
    found = told(folder, taken(folder), taken(folder, CODE.replace("looks: int = 0", 'looks: str = ""'))).strategies[0]
    assert "State.looks" in found.carry_problems[0]


def test_migrate_is_tried_with_a_fresh_state(folder: BotFolder) -> None:
    migrating = CODE.replace("looks: int = 0", 'looks: str = ""') + "def migrate(old, old_schema):\n    return 1 / 0\n"
    found = told(folder, taken(folder), taken(folder, migrating)).strategies[0]
    assert found.carry_problems[0].startswith("a fresh state: migrate raised")


def test_a_release_that_cannot_be_imported_is_told_beside_the_code(folder: BotFolder) -> None:
    found = told(folder, taken(folder), taken(folder, CODE + "def oops(:\n"))
    assert found.files[0].lines
    assert found.strategies[0].problem.startswith("v2 cannot be imported: strategy/__init__.py:")


def test_what_a_release_prints_does_not_reach_the_output(folder: BotFolder, capsys: pytest.CaptureFixture[str]) -> None:
    told(folder, taken(folder), taken(folder, CODE + "print('hello')\n"))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hello\n")


def test_a_copy_that_is_pruned_or_damaged_is_refused_by_name(folder: BotFolder) -> None:
    first, second = taken(folder), taken(folder, CODE + "# more\n")
    home = folder.releases / second.digest[:16]
    (home / "strategy/__init__.py").write_text(CODE)
    with pytest.raises(RequestRefused, match=r"the copy of v2, .*, is damaged"):
        told(folder, first, second)
    shutil.rmtree(home / "strategy")
    with pytest.raises(RequestRefused, match="the copy of v2 is not there any more"):
        told(folder, first, second)


def test_an_index_that_cannot_be_read_is_told_and_left_alone(folder: BotFolder) -> None:
    taken(folder)
    index = folder.releases / "releases.jsonl"
    index.write_text("{\n{")
    with pytest.raises(BotFolderRefused, match="cannot be read"):
        entries_of(folder)
    assert index.read_text() == "{\n{"


@pytest.mark.parametrize(
    ("answering", "now"),
    [
        (Answering(), ""),
        (Answering(deploy=Deploy(live="v1")), ""),
        (Answering(running=True, deploy=Deploy(live="v1")), "live"),
        (Answering(running=True, deploy=Deploy(live="v3 and v1")), "live"),
        (Answering(running=True, deploy=Deploy(live="v11"), slots=(Slot("btc-5m", "v1"),)), "live"),
        (Answering(running=True, deploy=Deploy(live="v2", standby="v1")), "standby"),
        (Answering(running=True, deploy=Deploy(live="v2"), shadow=Shadow("v1")), ""),
    ],
)
def test_a_release_does_what_the_running_bot_says_of_it(folder: BotFolder, answering: Answering, now: str) -> None:
    assert document_of(taken(folder), answering).now == now


def test_only_a_rehearsed_release_is_a_shadow(folder: BotFolder) -> None:
    taken(folder)
    entry = ReleaseStore(folder.releases).move(1, "rehearsed", "", wall_ns())
    assert document_of(entry, Answering(running=True, shadow=Shadow("v1"))).now == "shadow"
