"""Watching a live tree, with real files and real time: the last whole tree is told, once."""

import fcntl
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from release_trees import a_tree
from watchfiles._rust_notify import RustNotify

from tesseract import read_tree, tree_digest, watch
from tesseract.watch import Snapshot, TreeProblem, trees

FILES = {"__init__.py": "from .a import x\n", "a.py": "x = 1\n", "tables/weights.json": "[1, 2]"}
MANY_S = 0.300


class Watching:
    """A thread that watches a tree, and what it has told."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.told: queue.Queue[Snapshot | TreeProblem] = queue.Queue()

    def next(self, within_s: float = 5.0) -> Snapshot:
        told = self.told.get(timeout=within_s)
        assert isinstance(told, Snapshot), told
        return told

    def problem(self, within_s: float = 5.0) -> str:
        told = self.told.get(timeout=within_s)
        assert isinstance(told, TreeProblem), told
        return told.text

    def is_silent(self, for_s: float = 0.5) -> bool:
        try:
            told = self.told.get(timeout=for_s)
        except queue.Empty:
            return True
        raise AssertionError(told)

    def expect_only(self, within_s: float = 5.0) -> Snapshot:
        """The next snapshot, which holds the tree as it is now, and nothing after it."""
        snapshot = self.next(within_s)
        assert snapshot.files == read_tree(self.tree)
        assert snapshot.digest == tree_digest(snapshot.files)
        assert self.is_silent()
        return snapshot


@contextmanager
def watching(
    tree: Path, *, known: str | None = None, rescan_s: float = 30.0, longest_s: float = 5.0
) -> Iterator[Watching]:
    """Watches a tree that is known already, after it has settled."""
    stop = threading.Event()
    watched = Watching(tree)
    digest = tree_digest(read_tree(tree)) if known is None else known

    def run() -> None:
        for news in trees(tree, stop=stop, known=digest, rescan_s=rescan_s, longest_s=longest_s):
            watched.told.put(news)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if known is None:
            time.sleep(MANY_S + 0.1)
        yield watched
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def an_atomic_save(path: Path, content: str) -> None:
    staging = path.with_name("new-file-without-a-known-ending")
    staging.write_text(content)
    staging.replace(path)


def test_a_tree_that_is_known_is_no_news_and_another_is(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        assert watched.is_silent(0.1)
    with watching(tree, known="another") as watched:
        assert watched.expect_only().changed == tuple(sorted(FILES))


def test_a_saved_file_is_told_with_its_name_within_a_tenth_of_a_second(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        saved_ns = time.monotonic_ns()
        (tree / "a.py").write_text("x = 2\n")
        snapshot = watched.next(1.0)

        assert time.monotonic_ns() - saved_ns < 200e6, "it took the way of many files"
        assert 0 < snapshot.saved_ns - saved_ns < 100e6
        assert snapshot.changed == ("a.py",)
        assert snapshot.files["a.py"] == b"x = 2\n"
        assert watched.is_silent()


def test_an_edit_that_is_taken_back_is_told_both_times(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        before = tree_digest(read_tree(tree))
        (tree / "a.py").write_text("x = 2\n")
        assert watched.next().digest != before
        (tree / "a.py").write_text("x = 1\n")
        assert watched.next().digest == before


def test_atomic_rename_save(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        an_atomic_save(tree / "a.py", "x = 2\n")
        assert watched.expect_only().changed == ("a.py",)


def test_vim_backup_dance(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        for number in ("4913", "5036"):
            (tree / number).write_text("")
            (tree / number).unlink()
        (tree / "a.py").rename(tree / "a.py~")
        time.sleep(0.05)
        (tree / "a.py").write_text("x = 2\n")
        (tree / "a.py~").unlink()
        assert watched.expect_only().changed == ("a.py",)


def test_probe_files_of_an_editor_alone_are_no_news(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        (tree / "4913").write_text("")
        (tree / "4913").unlink()
        assert watched.is_silent()


def test_half_written_then_completed(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched, (tree / "a.py").open("w") as file:
        file.write("x = (2,\n")
        file.flush()
        assert watched.is_silent(MANY_S + 0.3), "a file that is open for writing is not whole"
        file.write(")\n")
        file.close()
        assert watched.expect_only().files["a.py"] == b"x = (2,\n)\n"


def test_a_file_that_stays_open_is_told_once_and_taken_when_it_is_closed(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree, longest_s=0.4) as watched:
        with (tree / "a.py").open("w") as file:
            file.write("x = 2\n")
            file.flush()
            assert "a.py is still open in the program that writes it" in watched.problem()
            assert watched.is_silent()
        assert watched.expect_only().files["a.py"] == b"x = 2\n"


def test_network_style_slow_copy(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    content = "y = 1\n" * 4
    with watching(tree) as watched:
        with (tree / "b.py").open("w") as file:
            for letter in content[::6]:
                file.write(letter)
                file.flush()
                time.sleep(0.1)
            file.seek(0)
            file.write(content)
        assert watched.expect_only().files["b.py"] == content.encode()


def test_saved_twice_in_one_second_same_size(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        (tree / "a.py").write_text("x = 2\n")
        assert watched.next().files["a.py"] == b"x = 2\n"
        (tree / "a.py").write_text("x = 3\n")
        assert watched.expect_only().files["a.py"] == b"x = 3\n"


def test_mtime_backwards(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        (tree / "a.py").write_text("x = 2\n")
        os.utime(tree / "a.py", (1, 1))
        assert watched.expect_only().files["a.py"] == b"x = 2\n"


def test_forty_saves_in_half_a_second(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        for number in range(40):
            (tree / "a.py").write_text(f"x = {number + 2}\n")
            time.sleep(0.0125)
        assert watched.expect_only().files["a.py"] == b"x = 41\n"


def test_a_tree_that_never_rests_is_taken_all_the_same(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    end = time.monotonic() + 2.0
    with watching(tree, longest_s=0.6) as watched:
        taken = 0
        while time.monotonic() < end:
            an_atomic_save(tree / "a.py", f"x = {time.monotonic()}\n")
            time.sleep(0.012)
            while not watched.told.empty():
                taken += isinstance(watched.told.get_nowait(), Snapshot)
    assert 1 <= taken <= 4


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a person", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_git_checkout_of_two_hundred_files(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    git(tmp_path, "init")
    for generation in (1, 2):
        for number in range(200):
            (tree / f"part{number % 9}").mkdir(exist_ok=True)
            (tree / f"part{number % 9}" / f"m{number}.py").write_text(f"x = {generation}\n")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", f"{generation}")
    with watching(tree) as watched:
        git(tmp_path, "checkout", "HEAD~1")
        assert len(watched.expect_only().changed) == 200
        git(tmp_path, "checkout", "main")
        assert len(watched.expect_only().changed) == 200


def test_branch_switch_mid_watch_waits_for_the_lock_of_git(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    git(tmp_path, "init")
    with watching(tree) as watched:
        (tmp_path / ".git/index.lock").touch()
        (tree / "a.py").write_text("x = 2\n")
        assert watched.is_silent(MANY_S + 0.2)
        (tree / "__init__.py").write_text("from .a import x  # the second file of the branch\n")
        (tmp_path / ".git/index.lock").unlink()
        assert watched.expect_only().changed == ("__init__.py", "a.py")


def test_a_lock_that_a_crashed_git_left_does_not_stop_the_watch(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    git(tmp_path, "init")
    (tmp_path / ".git/index.lock").touch()
    with watching(tree, longest_s=0.6) as watched:
        time.sleep(0.5)
        (tree / "a.py").write_text("x = 2\n")
        assert watched.expect_only().files["a.py"] == b"x = 2\n"


def test_new_folders_are_watched_at_once(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        a_tree(tree, {"deep/er/b.py": "y = 1\n"}, "new")
        assert watched.next().changed == ("new/deep/er/b.py",)
        (tree / "new/deep/er/b.py").write_text("y = 2\n")
        assert watched.next(1.0).changed == ("new/deep/er/b.py",)
        shutil.rmtree(tree / "new")
        a_tree(tree, {"deep/er/b.py": "y = 3\n"}, "new")
        assert watched.next(1.0).files["new/deep/er/b.py"] == b"y = 3\n"
        (tree / "new/deep/er/b.py").write_text("y = 4\n")
        assert watched.expect_only().files["new/deep/er/b.py"] == b"y = 4\n"


def before_folders_are_watched(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once, after the next walk over the tree's folders and before they are watched."""
    pending = [happens]

    def late(*arguments: Any) -> RustNotify:
        while pending:
            pending.pop()()
        return RustNotify(*arguments)

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", late)


def test_a_folder_that_is_made_again_just_before_its_parent_is_watched_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = a_tree(tmp_path, {**FILES, "new/deep/b.py": "y = 1\n"})
    with watching(tree) as watched:
        before_folders_are_watched(monkeypatch, lambda: a_tree(tree, {"deep/b.py": "y = 2\n"}, "new"))
        shutil.rmtree(tree / "new")
        assert watched.next().files["new/deep/b.py"] == b"y = 2\n"
        (tree / "new/deep/b.py").write_text("y = 3\n")
        assert watched.expect_only().files["new/deep/b.py"] == b"y = 3\n"


def test_a_folder_that_goes_just_before_it_is_watched_leaves_the_others_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = a_tree(tmp_path, {**FILES, "new/b.py": "y = 1\n"})
    with watching(tree) as watched:
        before_folders_are_watched(monkeypatch, lambda: shutil.rmtree(tree / "new"))
        (tree / "other").mkdir()
        assert watched.next().changed == ("new/b.py",)
        (tree / "tables/weights.json").write_text("[3]")
        assert watched.expect_only().files["tables/weights.json"] == b"[3]"


def test_symlinked_tree(tmp_path: Path) -> None:
    one = a_tree(tmp_path / "one", FILES)
    other = a_tree(tmp_path / "other", {**FILES, "a.py": "x = 2\n"})
    link = tmp_path / "strategy"
    link.symlink_to(one)
    with watching(link) as watched:
        (tmp_path / "next").symlink_to(other)
        (tmp_path / "next").replace(link)
        assert watched.expect_only().changed == ("a.py",)
        (other / "a.py").write_text("x = 3\n")
        assert watched.next(1.0).files["a.py"] == b"x = 3\n"
        (one / "a.py").write_text("x = 4\n")
        assert watched.is_silent()


def test_a_linked_folder_in_the_tree_is_followed_and_watched(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    shared = a_tree(tmp_path, {"b.py": "y = 1\n"}, "shared")
    with watching(tree) as watched:
        (tree / "common").symlink_to(shared)
        assert watched.next().changed == ("common/b.py",)
        (shared / "b.py").write_text("y = 2\n")
        assert watched.expect_only(1.0).files["common/b.py"] == b"y = 2\n"


def test_a_file_linked_from_elsewhere_is_found_by_reading_again(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    (tmp_path / "elsewhere.py").write_text("y = 1\n")
    (tree / "b.py").symlink_to(tmp_path / "elsewhere.py")
    with watching(tree, rescan_s=0.3) as watched:
        (tmp_path / "elsewhere.py").write_text("y = 2\n")
        assert watched.expect_only().changed == ("b.py",)


def test_tree_removed_and_restored(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree, rescan_s=0.2) as watched:
        shutil.rmtree(tree)
        assert watched.problem() == f"{tree}: the folder does not exist"
        assert watched.is_silent(), "a problem is told once"
        a_tree(tmp_path, FILES)
        assert watched.is_silent(MANY_S + 0.4), "it is back as it was"
        shutil.rmtree(tree)
        assert "does not exist" in watched.problem()
        a_tree(tmp_path, {**FILES, "a.py": "x = 2\n"})
        assert watched.expect_only().changed == ("a.py",)


def test_a_tree_that_is_not_there_at_the_start_is_a_problem_until_it_comes(tmp_path: Path) -> None:
    with watching(tmp_path / "strategy", known="nothing") as watched:
        assert "does not exist" in watched.problem()
        a_tree(tmp_path, FILES)
        assert watched.expect_only().changed == tuple(sorted(FILES))


def test_a_tree_that_is_replaced_by_another_under_its_name_is_told_without_a_problem(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    other = a_tree(tmp_path / "other", {**FILES, "a.py": "x = 2\n"})
    with watching(tree) as watched:
        tree.rename(tmp_path / "gone")
        other.rename(tree)
        assert watched.expect_only().changed == ("a.py",)


def test_read_only_tree(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    paths = [tree, *tree.rglob("*")]
    with watching(tree) as watched:
        (tree / "a.py").write_text("x = 2\n")
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            assert watched.expect_only().files["a.py"] == b"x = 2\n"
        finally:
            for path in paths:
                path.chmod(0o755)


def test_permission_denied_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = a_tree(tmp_path, FILES)
    read, is_denied = Path.read_bytes, threading.Event()

    def denied(path: Path) -> bytes:
        if is_denied.is_set() and path.name == "secret.py":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    is_denied.set()
    with watching(tree, rescan_s=0.2) as watched:
        (tree / "secret.py").write_text("")
        assert watched.problem() == f"{tree}: secret.py cannot be read: Permission denied"
        (tree / "a.py").write_text("x = 2\n")
        assert watched.is_silent(), "the same problem is told once"
        is_denied.clear()
        assert watched.expect_only().changed == ("a.py", "secret.py")


def test_case_only_rename(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        (tree / "a.py").rename(tree / "A.py")
        assert watched.expect_only().changed == ("A.py", "a.py")


@pytest.mark.parametrize("name", ["ä é 漢.py", " b c .py", "new\nline.txt"])
def test_unicode_and_space_names(tmp_path: Path, name: str) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree, rescan_s=0.5) as watched:
        (tree / name).write_text("x = 2\n")
        assert watched.expect_only().changed == (name,)
        (tree / name).rename(tree / f"{name}2")
        assert watched.expect_only().changed == (name, f"{name}2")


def test_a_name_that_is_no_unicode_is_found_by_reading_again(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    name = os.fsdecode(b"table-\xff.txt")
    with watching(tree, rescan_s=0.3) as watched:
        (tree / name).write_text("x = 2\n")
        assert "is not Unicode" in watched.problem()
        assert watched.expect_only().changed == (name,)
        (tree / name).unlink()
        assert watched.expect_only().changed == (name,)


def test_noise_is_no_news(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        noise = {"a.py~": "", ".a.py.swp": "", "#a.py#": "", "__pycache__/a.pyc": "", ".git/index": "", "a.py.tmp": ""}
        a_tree(tree.parent, noise)
        assert watched.is_silent()


def test_saves_are_found_when_the_folder_cannot_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(28, "No space left on device (inotify watches)")

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", exhausted)
    tree = a_tree(tmp_path, FILES)
    with watching(tree, rescan_s=0.2) as watched:
        assert "cannot be watched" in watched.problem()
        (tree / "a.py").write_text("x = 2\n")
        assert watched.expect_only().changed == ("a.py",)


def test_without_leases_a_single_save_waits_the_longer_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask: Callable[..., int] = fcntl.fcntl

    def without_leases(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(22, "Invalid argument")
        return ask(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", without_leases)
    tree = a_tree(tmp_path, FILES)
    with watching(tree) as watched:
        saved = time.monotonic()
        (tree / "a.py").write_text("x = 2\n")
        watched.next()
        assert time.monotonic() - saved >= MANY_S


def test_a_writer_that_meets_the_lease_is_let_in_and_ends_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    until = time.monotonic() + 0.5

    def write() -> None:
        while time.monotonic() < until:
            path.write_text("x = 2\n")

    writer = threading.Thread(target=write)
    writer.start()
    answers = set()
    while writer.is_alive():
        answers.add(watch._writer_of(path))
    writer.join()

    assert answers == {"open", "none"}


def held() -> tuple[int, ...]:
    return tuple(len(list(Path(f"/proc/self/{kind}").iterdir())) for kind in ("fd", "task"))


def test_watching_leaves_no_thread_and_no_handle(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    before = held()
    for _ in range(5):
        with watching(tree) as watched:
            (tree / "new").mkdir(exist_ok=True)
            an_atomic_save(tree / "a.py", f"x = {time.monotonic()}\n")
            watched.next()
    until = time.monotonic() + 5
    while held() != before and time.monotonic() < until:  # the library ends its thread in its own time
        time.sleep(0.01)

    assert held() == before
