"""Group E, files: however people and their tools write the live code, its last whole tree goes live, once.

The order of things for saved files, which every case here relies on:

1. A tree is taken when it has come to rest and nobody has a file of it open; what it was in between is never run.
2. It is taken whole, by content: two files that belong together go live together, and content that runs is no deploy.
3. Of several trees that came while a release was prepared, the newest alone is taken.
4. Until the commit the release before answers every call, and from the commit on the new one does.

Each case is a real program that follows its real folder. What it leaves behind is proved by one more save, which must
be the only release after it.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.program import HEAD, Notice, Program, a_program
from conformance.timing import value_of
from tesseract import NotDone, ReleaseStore, WentLive, read_tree, tree_digest

MAIN = """
from pathlib import Path

from strategy import parts

GENERATION = 1


def decide(given, state, params):
    return Result(State(state.seen + 1), [GENERATION, parts.GENERATION])
"""
OLD = {"__init__.py": HEAD + MAIN, "parts.py": "GENERATION = 1\n"}
MANY_QUIET_S = 0.3
ONE_QUIET_S = 0.05
"""More than by default, so that a busy machine does not make two trees of two saves at once."""


BETWEEN_S = 0.1
"""Between two steps of one change: longer than a single save has to rest, shorter than several."""


def main_of(generation: int) -> str:
    return OLD["__init__.py"].replace("GENERATION = 1", f"GENERATION = {generation}")


def parts_of(generation: int) -> str:
    return f"GENERATION = {generation}\n"


def replace(path: Path, content: str) -> None:
    """As editors save: a new file beside the old one, then a rename over it."""
    staging = path.with_name(f"{path.name}.new-by-editor")
    staging.write_text(content)
    staging.replace(path)


def the_old_one_answers(program: Program) -> None:
    outcome = program.ask()
    assert (outcome.release, value_of(outcome)) == ("v1", [1, 1])


# The ways in which files change. Each returns the value that the last whole tree has.


def atomic_rename_save(program: Program) -> Any:
    replace(program.tree / "parts.py", parts_of(2))
    return [1, 2]


def vim_backup_dance(program: Program) -> Any:
    tree = program.tree
    (tree / "4913").write_text("")
    (tree / "4913").unlink()
    (tree / "parts.py").rename(tree / "parts.py~")
    program.pause(BETWEEN_S)
    (tree / "parts.py").write_text(parts_of(2))
    (tree / "parts.py").chmod(0o644)
    (tree / "parts.py~").unlink()
    return [1, 2]


def half_written_then_completed(program: Program) -> Any:
    with (program.tree / "parts.py").open("w") as file:
        file.write("GENERATION = (2,\n")
        file.flush()
        program.pause(MANY_QUIET_S + 0.2)
        the_old_one_answers(program)
        file.write(")[0]\n")
    return [1, 2]


def saved_twice_in_one_second_same_size(program: Program) -> Any:
    """With the very same time, too: neither size nor time tells that anything has changed."""
    began, path = time.monotonic(), program.tree / "parts.py"
    path.write_text(parts_of(2))
    stamp = path.stat().st_mtime_ns
    path.write_text(parts_of(3))
    os.utime(path, ns=(stamp, stamp))
    assert time.monotonic() - began < 1.0
    return [1, 3]


def mtime_backwards(program: Program) -> Any:
    (program.tree / "parts.py").write_text(parts_of(2))
    os.utime(program.tree / "parts.py", (1, 1))
    return [1, 2]


def forty_saves_in_half_a_second(program: Program) -> Any:
    for number in range(40):
        replace(program.tree / "parts.py", parts_of(number))
        time.sleep(0.0125)
    return [1, 39]


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a person", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def many_files(generation: int) -> dict[str, str]:
    """Two hundred modules, and a main one whose value is the sum over all of them."""
    names = [f"m{number}" for number in range(200)]
    imports = "".join(f"from strategy.many.{name} import GENERATION as {name}\n" for name in names)
    total = f"GENERATION = {generation}, sum([{', '.join(names)}])\n"
    main = main_of(1).replace("GENERATION = 1\n", imports + total)
    return {"__init__.py": main, "many/__init__.py": ""} | {f"many/{name}.py": parts_of(generation) for name in names}


def git_checkout_of_two_hundred_files(program: Program) -> Any:
    git(program.folder, "checkout", "-q", "many")
    return [[2, 400], 1]


def branch_switch_mid_watch(program: Program) -> Any:
    """There, back, and there again: only where it ends goes live."""
    for branch in ("other", "main", "other"):
        git(program.folder, "switch", "-q", branch)
    return [2, 2]


def symlinked_tree(program: Program) -> Any:
    """The live folder is a link, which is pointed elsewhere; then a file in its target is saved."""
    other = program.folder / "other"
    shutil.copytree(program.tree, other)
    (other / "parts.py").write_text(parts_of(2))
    (program.folder / "next").symlink_to(other)
    (program.folder / "next").replace(program.tree)
    return [1, 2]


def tree_removed_and_restored(program: Program) -> Any:
    """Gone it is told, and what runs goes on; as it was it is no deploy; with another content it is one."""
    for generation in (1, 2):
        before = len(program.events)
        shutil.rmtree(program.tree)
        program.wait_for(lambda each: isinstance(each, Notice) and "folder does not exist" in each.text, since=before)
        the_old_one_answers(program)
        program.write({**OLD, "parts.py": parts_of(generation)})
        if generation == 1:
            program.pause(MANY_QUIET_S + 0.3)
    return [1, 2]


def read_only_tree(program: Program) -> Any:
    (program.tree / "parts.py").write_text(parts_of(2))
    for path in (program.tree / "parts.py", program.tree / "__init__.py", program.tree):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return [1, 2]


def permission_denied_file(program: Program) -> Any:
    """A file that nobody may read, root neither: the kernel has such files. What can be read again goes live."""
    (program.tree / "table.txt").symlink_to("/proc/sys/net/ipv4/route/flush")
    (program.tree / "parts.py").write_text(parts_of(2))
    told = program.wait_for(lambda event: isinstance(event, Notice) and "table.txt" in event.text)
    assert told.text.endswith("table.txt cannot be read: Permission denied")
    the_old_one_answers(program)
    (program.tree / "table.txt").unlink()
    return [1, 2]


def network_style_slow_copy(program: Program) -> Any:
    """Two files that belong together arrive one after the other, in pieces."""
    for name, content in (("parts.py", parts_of(2)), ("__init__.py", main_of(2))):
        with (program.tree / name).open("w") as file:
            size = len(content) // 4 + 1
            for at in range(0, len(content), size):
                file.write(content[at : at + size])
                file.flush()
                program.pause(0.08)
        program.pause(BETWEEN_S)
    return [2, 2]


def case_only_rename(program: Program) -> Any:
    (program.tree / "parts.py").rename(program.tree / "Parts.py")
    program.pause(BETWEEN_S)
    (program.tree / "__init__.py").write_text(main_of(2).replace("import parts", "import Parts as parts"))
    return [2, 1]


def unicode_and_space_names(program: Program) -> Any:
    (program.tree / "größe_漢.py").write_text("GENERATION = (__import__('strategy').GENERATION, 7)\n", "utf-8")
    table = "(Path(__file__).parent / 'a table - ü.txt').read_text('utf-8')"
    main = (
        main_of(2).replace("import parts", "import größe_漢 as parts").replace("[GENERATION", f"[{table}, GENERATION")
    )
    late = main.replace("\nfrom strategy import", "\nGENERATION = 2\nfrom strategy import", 1)
    (program.tree / "a table - ü.txt").write_text("漢", "utf-8")
    (program.tree / "__init__.py").write_text(late, "utf-8")
    return ["漢", 2, [2, 7]]


CASES: dict[str, Callable[[Program], Any]] = {
    "atomic_rename_save": atomic_rename_save,
    "vim_backup_dance": vim_backup_dance,
    "half_written_then_completed": half_written_then_completed,
    "saved_twice_in_one_second_same_size": saved_twice_in_one_second_same_size,
    "mtime_backwards": mtime_backwards,
    "forty_saves_in_half_a_second": forty_saves_in_half_a_second,
    "git_checkout_of_two_hundred_files": git_checkout_of_two_hundred_files,
    "branch_switch_mid_watch": branch_switch_mid_watch,
    "symlinked_tree": symlinked_tree,
    "tree_removed_and_restored": tree_removed_and_restored,
    "read_only_tree": read_only_tree,
    "permission_denied_file": permission_denied_file,
    "network_style_slow_copy": network_style_slow_copy,
    "case_only_rename": case_only_rename,
    "unicode_and_space_names": unicode_and_space_names,
}
BRANCHES: dict[str, dict[str, dict[str, str]]] = {
    "git_checkout_of_two_hundred_files": {"many": many_files(2)},
    "branch_switch_mid_watch": {"other": {"__init__.py": main_of(2), "parts.py": parts_of(2)}},
}


def prepare(folder: Path, case: str) -> None:
    """What must be there before the program starts: branches, or a link where the folder would be."""
    if case == "symlinked_tree":
        (folder / "one").mkdir()
        (folder / "strategy").symlink_to(folder / "one")
    if case not in BRANCHES:
        return
    tree = folder / "strategy"
    for branch, files in {"main": OLD, **BRANCHES[case]}.items():
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(content)
        if branch == "main":
            git(folder, "init", "-q")
        else:
            git(folder, "checkout", "-q", "-b", branch)
        git(folder, "add", "strategy")
        git(folder, "commit", "-q", "-m", branch)
    git(folder, "checkout", "-q", "main")


@pytest.mark.process
@pytest.mark.parametrize("case", CASES)
def test_the_last_whole_tree_goes_live_once(tmp_path: Path, case: str) -> None:
    prepare(tmp_path, case)
    with a_program(tmp_path, host="process", files=OLD, follow="files", quiet_one_s=ONE_QUIET_S) as program:
        assert not program.watched(0).event.is_refused, "what the watch finds at the start runs already"
        the_old_one_answers(program)
        state, before = program.state(), len(program.events)

        value = CASES[case](program)
        verdict = program.watched(before)

        assert verdict.is_live, verdict.text
        assert verdict.event.release.digest == tree_digest(read_tree(program.tree)), "it is the tree as it is now"
        outcome = program.ask()
        assert (outcome.release, value_of(outcome)) == ("v2", value)
        assert program.state()["seen"] >= state["seen"] + 1, "its state was carried over"
        nothing_else_was_deployed(program, before)


def nothing_else_was_deployed(program: Program, since: int) -> None:
    """One more save, which is the next release: whatever else was on its way would have come before it."""
    for path in (program.tree, *program.tree.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    seen = program.state()["seen"]
    at = len(program.events)
    replace(program.tree / "__init__.py", (program.tree / "__init__.py").read_text("utf-8") + "LATER = True\n")
    assert program.watched(at).event.release.name == "v3"
    program.value()
    assert program.state() == {"seen": seen + 1}
    went_live = [event.release.name for event in program.events[since:] if isinstance(event, WentLive)]
    assert went_live == ["v2", "v3"]
    assert [event for event in program.events[since:] if isinstance(event, NotDone)] == []
    entries = ReleaseStore(program.folder / "data" / "releases").entries()
    assert [(entry.number, entry.origin) for entry in entries] == [(1, "start"), (2, "files"), (3, "files")]
