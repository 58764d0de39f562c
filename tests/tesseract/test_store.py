"""The release store: numbers, states, copies, and what is left when a disk fails or a document is torn."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from release_trees import paths_below

from tesseract import Release, ReleaseRefused, read_tree, take_release, tree_digest
from tesseract.life import IllegalMove
from tesseract.store import Entry, ReleaseStore

SECOND_NS = 10**9
WRITES = 4
"""Of a new release with three files: those and the record. The line in the index is appended."""


def some_files(x: int = 1) -> dict[str, bytes]:
    return {"__init__.py": b"from .a import x\n", "a.py": f"x = {x}\n".encode(), "tables/w.json": b"[1]"}


def taken(store: ReleaseStore, x: int = 1, *, at_s: int = 0) -> Release:
    return store.take(
        some_files(x), "strategy", origin="files", author="a person", parent=None, now_ns=at_s * SECOND_NS
    )


def walk(store: ReleaseStore, number: int, *states: str, at_s: int = 1) -> Entry:
    for state in states:
        store.move(number, state, f"because of {state}", at_s * SECOND_NS)  # type: ignore[arg-type]
    return store.entry(number)


def state_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in paths_below(folder)} if folder.exists() else {}


def test_new_content_gets_the_next_number_and_is_staged(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path / "releases")

    first, second = taken(store, 1), taken(store, 2, at_s=5)

    assert [first.name, second.name] == ["v1", "v2"]
    assert [entry.state for entry in store.entries()] == ["staged", "staged"]
    assert second.path == tmp_path / "releases" / second.digest[:16] / "strategy"
    assert read_tree(second.path) == some_files(2)
    assert store.entry(2).created_at == "1970-01-01T00:00:05.000000Z"
    assert second.created_ns == 5 * SECOND_NS


def test_the_same_content_is_the_same_release_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    first = store.take(
        some_files(), "strategy", origin="git", author="one", note="why", commit="abc", parent=7, now_ns=SECOND_NS
    )
    before = state_of(tmp_path)

    again = store.take(some_files(), "strategy", origin="command", author="other", parent=None, now_ns=9 * SECOND_NS)

    assert again == first
    assert (again.author, again.note, again.commit, again.parent, again.origin) == ("one", "why", "abc", 7, "git")
    assert state_of(tmp_path) == before


def test_the_copy_is_that_of_take_release(tmp_path: Path) -> None:
    release = taken(ReleaseStore(tmp_path / "store"))

    other = take_release(release.path, tmp_path / "store", number=1, origin="files", now_ns=0)

    assert (other.path, other.digest) == (release.path, release.digest)


def test_a_release_is_found_by_number_digest_and_name_of_its_copy(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    release = taken(store)

    assert store.release(1) == store.release(release.digest) == store.release(release.digest[:16]) == release


@pytest.mark.parametrize("which", [0, 2, -1, "", "0" * 64])
def test_an_unknown_release_is_refused(tmp_path: Path, which: int | str) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)

    with pytest.raises(ReleaseRefused, match="there is no such release"):
        store.entry(which)


def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    walk(store, 1, "rehearsed", "live", "kept")
    taken(store, 2)

    other = ReleaseStore(tmp_path)

    assert other.entries() == store.entries()
    assert other.healed == ""
    assert taken(other, 3).number == 3


def test_the_index_has_a_line_for_each_move_that_people_can_read(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store, 1)
    taken(store, 2)
    walk(store, 1, "rejected")

    lines = (tmp_path / "releases.jsonl").read_text().splitlines()

    assert [msgspec.json.decode(line)["number"] for line in lines] == [1, 2, 1]
    assert '"state":"rejected"' in lines[2]
    assert '["rejected","1970-01-01T00:00:01.000000Z","because of rejected"]' in lines[2]
    assert ReleaseStore.read(tmp_path) == store.entries()


def test_a_store_that_is_not_there_has_no_entries_and_is_not_made_by_reading(tmp_path: Path) -> None:
    assert ReleaseStore.read(tmp_path / "releases") == []
    assert ReleaseStore(tmp_path / "releases").entries() == []
    assert not (tmp_path / "releases").exists()


def test_a_move_is_remembered_with_its_time_and_reason(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)

    entry = store.move(1, "rejected", "strategy/a.py:3 SyntaxError", 4 * SECOND_NS)

    assert entry == store.entry(1) == ReleaseStore(tmp_path).entry(1)
    assert [step.state for step in entry.history] == ["staged", "rejected"]
    assert entry.history[-1] == ("rejected", "1970-01-01T00:00:04.000000Z", "strategy/a.py:3 SyntaxError")


def test_an_illegal_move_changes_nothing(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    before = (state_of(tmp_path), store.entries())

    with pytest.raises(IllegalMove, match="v1 is staged and cannot become kept"):
        store.move(1, "kept", "", 0)

    assert (state_of(tmp_path), store.entries()) == before


def test_a_long_history_keeps_its_first_step_and_its_last_ones(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    for at_s in range(150):
        walk(store, 1, "rejected", "staged", at_s=at_s)

    history = store.entry(1).history

    assert len(history) == 200
    assert history[0].why == "taken from files"
    assert history[-1].at == "1970-01-01T00:02:29.000000Z"


def test_rejected_and_rolled_back_content_is_barred_with_the_reason(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    digests = [taken(store, x).digest for x in (1, 2, 3)]
    walk(store, 1, "rejected")
    walk(store, 2, "rehearsed", "live", "rolled back")

    assert store.is_barred(digests[0]) == (
        "v1 was rejected at 1970-01-01T00:00:01.000000Z: because of rejected; "
        "this content is barred until it changes or somebody forces it"
    )
    assert "v2 was rolled back" in (store.is_barred(digests[1]) or "")
    assert store.is_barred(digests[2]) is None
    assert store.is_barred("unknown") is None
    walk(store, 1, "staged")
    assert store.is_barred(digests[0]) is None


def test_the_newest_kept_release_is_the_one_that_was_kept_last(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    assert store.newest_kept() is None
    for x in (1, 2, 3):
        taken(store, x)
    walk(store, 1, "rehearsed", "live", "kept", at_s=1)
    walk(store, 2, "rehearsed", "live", "kept", at_s=2)
    walk(store, 3, "rehearsed", "live", at_s=3)
    assert [store.newest_kept()] == [store.entry(2)]

    walk(store, 1, "live", "kept", at_s=4)

    assert [store.newest_kept()] == [store.entry(1)]
    walk(store, 1, "rolled back", at_s=5)
    assert [store.newest_kept()] == [store.entry(2)]


def test_pruning_deletes_the_oldest_copies_and_no_entry(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    for x in range(1, 8):
        taken(store, x)
    walk(store, 1, "rehearsed", "live", "kept")
    walk(store, 2, "rejected")
    walk(store, 3, "rehearsed", "live")
    walk(store, 4, "superseded")
    walk(store, 7, "rejected")
    (tmp_path / ".staging-left").mkdir()
    entries = store.entries()

    assert store.prune(2) == [2, 4]

    assert store.entries() == entries == ReleaseStore(tmp_path).entries()
    assert [n for n in range(1, 8) if not store._home(entries[n - 1]).joinpath("strategy").exists()] == [2, 4]
    assert not list(tmp_path.glob(".staging*"))
    assert store.prune(2) == []
    assert store.prune(0) == [7]


def test_a_pruned_release_is_refused_and_comes_back_with_its_content_and_number(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    walk(store, 1, "rejected")
    store.prune(0)

    with pytest.raises(ReleaseRefused, match="is not there, so v1 is lost until its content is taken again"):
        store.release(1)
    assert store.is_barred(tree_digest(some_files())) is not None
    assert taken(store).number == 1
    assert store.release(1).path.exists()


def test_a_damaged_copy_is_refused_and_healed_from_its_content(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    release = taken(store)
    walk(store, 1, "rehearsed", "live", "kept")
    (release.path / "a.py").write_text("x = 'edited'\n")

    with pytest.raises(ReleaseRefused, match="is damaged, so v1 is lost until its content is taken again"):
        store.release(1)
    assert taken(store) == release == store.release(1)
    assert store.entry(1).state == "kept"
    damaged = release.path.parent.with_name(f"{release.path.parent.name}.damaged")
    assert (damaged / "strategy/a.py").read_text() == "x = 'edited'\n"
    (tmp_path / "releases.jsonl").unlink()
    assert ReleaseStore(tmp_path).entry(1).state == "kept", "the healed copy has its record"


@pytest.mark.parametrize(
    ("package", "files", "reason"),
    [
        ("strategy", {"a.py": b""}, "__init__.py is missing"),
        ("strategy", {}, "__init__.py is missing"),
        ("strategy", {"__init__.py": bytes(17 * 1024 * 1024)}, "more than 16 MiB"),
        ("strategy", {"__init__.py": b"", "../a.py": b""}, "does not lie in the package"),
        ("strategy", {"__init__.py": b"", "/a.py": b""}, "does not lie in the package"),
        ("strategy", {"__init__.py": b"", "b//a.py": b""}, "does not lie in the package"),
        ("../strategy", {"__init__.py": b""}, "is no name of a package"),
        ("", {"__init__.py": b""}, "is no name of a package"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, package: str, files: dict[str, bytes], reason: str) -> None:
    store = ReleaseStore(tmp_path / "store")

    with pytest.raises(ReleaseRefused, match=reason):
        store.take(files, package, origin="files", author="", parent=None, now_ns=0)

    assert store.entries() == []
    assert not (tmp_path / "store").exists()


Fail = Callable[[pytest.MonkeyPatch, int], None]


def fail_at_write(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The disk is full in the middle of the nth write."""
    write, count = Path.write_bytes, iter(range(1, 1000))

    def full(path: Path, content: bytes) -> int:
        if next(count) >= nth:
            write(path, content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)


def fail_at_append(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The disk is full in the middle of the nth line."""
    write, count = os.write, iter(range(1, 1000))

    def full(file: int, content: bytes) -> int:
        if next(count) < nth:
            return write(file, content)
        if len(content) < 10:
            raise OSError(28, "No space left on device")
        return write(file, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", full)


def fail_at_sync(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    sync, count = os.fsync, iter(range(1, 1000))

    def broken(descriptor: int) -> None:
        if next(count) >= nth:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", broken)


def fail_at_replace(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    replace, count = Path.replace, iter(range(1, 1000))

    def broken(path: Path, target: Path) -> Path:
        if next(count) >= nth:
            raise OSError(30, "Read-only file system")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", broken)


FAILURES = [
    *(pytest.param(fail_at_write, nth, id=f"write {nth}") for nth in range(1, WRITES + 1)),
    pytest.param(fail_at_append, 1, id="append"),
    *(pytest.param(fail_at_sync, nth, id=f"sync {nth}") for nth in (1, 2)),
    pytest.param(fail_at_replace, 1, id="replace"),
]


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize(("fail", "nth"), FAILURES)
def test_a_disk_that_fails_while_a_release_is_taken_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail, nth: int, known: int
) -> None:
    store = ReleaseStore(tmp_path)
    for x in range(known):
        taken(store, x + 3)
    before, entries = state_of(tmp_path), store.entries()
    names = sorted(path.name for path in tmp_path.iterdir())
    fail(monkeypatch, nth)

    with pytest.raises(OSError, match=r"space|error|Read-only"):
        taken(store, 2)

    monkeypatch.undo()
    assert (state_of(tmp_path), store.entries()) == (before, entries)
    assert sorted(path.name for path in tmp_path.iterdir()) == names, "no folder is left either"
    assert ReleaseStore(tmp_path).entries() == entries
    assert taken(store, 2).number == known + 1
    assert ReleaseStore(tmp_path).entries() == store.entries()


MOVE_FAILURES = [
    pytest.param(fail_at_write, 1, id="write"),
    pytest.param(fail_at_append, 1, id="append"),
    *(pytest.param(fail_at_sync, nth, id=f"sync {nth}") for nth in (1, 2)),
    pytest.param(fail_at_replace, 1, id="replace"),
]


@pytest.mark.parametrize(("fail", "nth"), MOVE_FAILURES)
def test_a_disk_that_fails_at_a_move_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail, nth: int
) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    before, entries = state_of(tmp_path), store.entries()
    fail(monkeypatch, nth)

    with pytest.raises(OSError, match=r"space|error|Read-only"):
        store.move(1, "rehearsed", "", 0)

    monkeypatch.undo()
    assert (state_of(tmp_path), store.entries()) == (before, entries)
    assert store.move(1, "rehearsed", "", 0).state == "rehearsed"
    assert ReleaseStore(tmp_path).entries() == store.entries()


@pytest.mark.parametrize(
    ("fail", "nth"), [(fail_at_write, 1), (fail_at_sync, 1), (fail_at_sync, 2), (fail_at_replace, 2)]
)
def test_a_disk_that_fails_while_the_store_heals_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail, nth: int
) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    (tmp_path / "releases.jsonl").write_bytes(b"{\n{")
    fail(monkeypatch, nth)

    with pytest.raises(OSError, match=r"space|error|Read-only"):
        ReleaseStore(tmp_path)

    monkeypatch.undo()
    assert ReleaseStore(tmp_path).entries() == store.entries()


@pytest.mark.parametrize("torn", [b"\n", b"{\n{", b"\x00" * 100, b'[{"number":1}]', b"\xff\xfe"])
def test_a_torn_index_is_set_aside_and_built_again_from_the_copies(tmp_path: Path, torn: bytes) -> None:
    store = ReleaseStore(tmp_path)
    for x in (1, 2, 3):
        taken(store, x)
    walk(store, 1, "rehearsed", "live", "kept")
    walk(store, 2, "rejected")
    store.prune(1)
    (tmp_path / "releases.jsonl").write_bytes(torn)

    healed = ReleaseStore(tmp_path)

    assert healed.entries() == store.entries()
    assert "releases.jsonl cannot be read (" in healed.healed
    assert "3 releases are found again. Nothing is known to be lost." in healed.healed
    assert (tmp_path / "releases.jsonl.damaged").read_bytes() == torn
    assert ReleaseStore(tmp_path).healed == "", "it is healed once"
    assert ReleaseStore(tmp_path).entries() == store.entries()


@pytest.mark.parametrize("is_empty", [False, True])
def test_an_index_that_is_gone_is_built_again_and_told(tmp_path: Path, is_empty: bool) -> None:
    store = ReleaseStore(tmp_path)
    taken(store)
    (tmp_path / "releases.jsonl").unlink()
    if is_empty:
        (tmp_path / "releases.jsonl").touch()

    again = ReleaseStore(tmp_path)

    assert again.entries() == store.entries()
    assert "is gone; 1 releases are found again" in again.healed


def test_what_is_lost_with_the_index_is_named(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    releases = [taken(store, x) for x in (1, 2, 3, 4)]
    shutil.rmtree(releases[0].path.parent)
    (releases[1].path.parent / "release.json").write_bytes(b"torn")
    (releases[2].path.parent / "release.json").unlink()
    (releases[2].path / "a.py").write_text("edited\n")
    (tmp_path / "releases.jsonl").write_bytes(b"torn")

    healed = ReleaseStore(tmp_path)

    assert [(entry.number, entry.digest) for entry in healed.entries()] == [
        (4, releases[3].digest),
        (5, releases[1].digest),
    ]
    lost = healed.healed.partition("Lost: ")[2]
    assert lost.startswith("all of v1; all of v2; all of v3; ")
    assert f"the copy {releases[2].digest[:16]}, which is not what its name says" in lost
    assert f"the number and the history of {releases[1].digest[:16]}, which is v5 now" in lost
    assert healed.entry(5).state == "superseded"
    assert read_tree(healed.release(5).path) == some_files(2)


def test_numbers_of_the_older_layout_stay(tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "strategy"
    for name, content in some_files(1).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    folder = tmp_path / "releases"
    old = take_release(tree, folder, number=0, origin="start", now_ns=0)
    gone = tree_digest(some_files(2))
    (folder / "numbers.json").write_bytes(msgspec.json.encode({old.digest: 4, gone: 7}))

    store = ReleaseStore(folder)

    assert [(entry.number, entry.digest, entry.state) for entry in store.entries()] == [
        (4, old.digest, "superseded"),
        (7, gone, "superseded"),
    ]
    assert store.healed == ""
    assert store.newest_kept() is None
    assert store.release(4).path == old.path
    with pytest.raises(ReleaseRefused, match="is not there"):
        store.release(7)
    assert [taken(store, x).number for x in (2, 1, 3)] == [7, 4, 8]
    assert store.release(7).package == "strategy"
    (folder / "numbers.json").unlink()
    assert ReleaseStore(folder).entries() == store.entries(), "they are read once"


def test_an_index_that_may_not_be_read_is_no_reason_to_build_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(ReleaseStore(tmp_path))

    def denied(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PermissionError):
        ReleaseStore(tmp_path)

    monkeypatch.undo()
    assert not (tmp_path / "releases.jsonl.damaged").exists()
    assert ReleaseStore(tmp_path).healed == ""
