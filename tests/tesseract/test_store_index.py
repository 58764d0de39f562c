"""The index of the release store: lines that are torn, cut or taken back, a file that grows, and an older layout."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tesseract import Entry, ReleaseStore, tree_digest
from tesseract.errors import IndexDamaged
from tesseract.store_entry import Step, line_of
from tesseract.store_index import INDEX, LINES_PER_RELEASE, LINES_SPARE

SECOND_NS = 10**9
WALK = ("rehearsed", "live", "kept")


def some_files(x: int) -> dict[str, bytes]:
    return {"__init__.py": f"x = {x}\n".encode()}


def take(store: ReleaseStore, x: int) -> int:
    return store.take(some_files(x), "strategy", origin="files", author="", parent=None, now_ns=0).number


def walk(store: ReleaseStore, number: int, *states: str) -> None:
    for state in states:
        store.move(number, state, f"because of {state}", SECOND_NS)  # type: ignore[arg-type]


def a_store(folder: Path) -> ReleaseStore:
    """Three releases: one that was kept, one that is barred, one on its way; their lines are mixed."""
    store = ReleaseStore(folder)
    take(store, 1)
    take(store, 2)
    walk(store, 1, *WALK)
    walk(store, 2, "rejected")
    take(store, 3)
    walk(store, 3, "rehearsed")
    return store


def an_entry(number: int) -> Entry:
    return Entry(
        number=number,
        digest=tree_digest(some_files(number)),
        package="strategy",
        origin="files",
        created_at="1970-01-01T00:00:00.000000Z",
        state="staged",
        history=(Step("staged", "1970-01-01T00:00:00.000000Z", "taken from files"),),
    )


def truth_of(folder: Path) -> list[Entry]:
    return ReleaseStore(folder).entries()


# A torn last line


@pytest.mark.parametrize("cut", [2, 40, 200])
def test_what_a_torn_last_line_said_is_taken_from_the_record(tmp_path: Path, cut: int) -> None:
    store = a_store(tmp_path)
    store.index.write_bytes(store.index.read_bytes()[:-cut])

    again = ReleaseStore(tmp_path)

    assert again.entries() == store.entries()
    assert again.healed == ""
    assert ReleaseStore.read(tmp_path) == store.entries(), "it is written, too"
    assert [take(again, 4), truth_of(tmp_path)] == [4, again.entries()]


@pytest.mark.parametrize(("length", "name"), [(3, "one release"), (60, "v3"), (250, "v3")])
def test_a_line_that_a_power_cut_has_torn_is_a_move_that_has_not_happened(
    tmp_path: Path, length: int, name: str
) -> None:
    store = a_store(tmp_path)
    with store.index.open("ab") as file:
        file.write(line_of(msgspec.structs.replace(store.entry(3), state="live"))[:length])

    assert ReleaseStore.read(tmp_path) == store.entries(), "a reader does not see it"
    again = ReleaseStore(tmp_path)

    assert again.entries() == store.entries()
    assert again.healed == f"{store.index} ended in a torn line; what it said of {name} is lost, and nothing else"
    assert ReleaseStore(tmp_path).healed == "", "it is told once"


def test_a_last_line_without_its_end_of_line_is_whole(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    shutil.rmtree(tmp_path / store.entry(3).digest[:16])
    store.index.write_bytes(store.index.read_bytes()[:-1])

    again = ReleaseStore(tmp_path)
    assert (again.entries(), again.healed) == (store.entries(), "")
    walk(again, 3, "live")
    assert truth_of(tmp_path) == again.entries()


def test_a_torn_line_that_others_follow_is_damage(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    damaged = store.index.read_bytes().replace(b'"state":"rejected"', b'"state":"reject', 1)
    store.index.write_bytes(damaged)

    with pytest.raises(IndexDamaged, match="line 6 is torn, and others follow it"):
        ReleaseStore.read(tmp_path)
    again = ReleaseStore(tmp_path)

    assert again.entries() == store.entries()
    assert "is set aside as releases.jsonl.damaged; 3 releases are found again. Nothing is known" in again.healed
    assert (tmp_path / "releases.jsonl.damaged").read_bytes() == damaged


def whole_in(content: bytes) -> dict[int, Entry]:
    lines = content.split(b"\n")
    is_whole = lines[-1].endswith(b"]}")
    entries = [msgspec.json.decode(line, type=Entry) for line in (lines if is_whole else lines[:-1])]
    return {entry.number: entry for entry in entries}


def is_known_of(store: ReleaseStore, size: int) -> None:
    """Cuts the index, and looks at what another store then knows. A cut between two lines cannot be seen."""
    every, cut = store.entries(), store.index.read_bytes()[:size]
    store.index.write_bytes(cut)

    again = ReleaseStore(store.folder)

    known = {entry.number: entry for entry in again.entries()}
    assert known == (whole_in(cut) if cut.endswith(b"\n") else {entry.number: entry for entry in every})
    assert ReleaseStore.read(store.folder) == truth_of(store.folder) == again.entries()


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1))
def test_a_store_whose_index_was_cut_anywhere_opens_and_knows_what_was_whole(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = a_store(Path(folder))
        is_known_of(store, round(share * store.index.stat().st_size))


@pytest.mark.parametrize("line", range(8))
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_store_whose_index_was_cut_at_the_end_of_a_line_knows_what_was_whole(
    tmp_path: Path, line: int, off: int
) -> None:
    store = a_store(tmp_path)
    lines = store.index.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    is_known_of(store, len(b"".join(lines[: line + 1])) + off)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1))
def test_an_index_that_was_cut_anywhere_knows_its_whole_lines_without_any_copy(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = a_store(Path(folder))
        content = store.index.read_bytes()
        cut = content[: round(share * len(content))]
        shutil.rmtree(folder)
        Path(folder).mkdir()
        store.index.write_bytes(cut)

        assert {entry.number: entry for entry in truth_of(Path(folder))} == whole_in(cut)


# A disk that fails, a process that is killed


def test_a_line_that_cannot_be_taken_back_is_gone_at_the_next_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path)
    before, write = store.entries(), os.write

    def full(file: int, content: bytes) -> int:
        if len(content) < 100:
            raise OSError(28, "No space left on device")
        return write(file, content[:-50])

    def stuck(file: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "ftruncate", stuck)
    with pytest.raises(OSError, match="No space"):
        walk(store, 3, "live")
    monkeypatch.undo()
    torn = shutil.copytree(tmp_path, tmp_path.with_name("ended"))

    assert store.entries() == before == truth_of(torn)
    walk(store, 3, "superseded")
    assert ReleaseStore.read(tmp_path) == store.entries()


@pytest.mark.parametrize("damage", [Path.unlink, lambda index: index.write_bytes(index.read_bytes()[:-90])])
def test_an_index_that_is_cut_or_deleted_meanwhile_is_whole_after_the_next_move(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    store = a_store(tmp_path)
    damage(store.index)

    walk(store, 3, "live")

    assert ReleaseStore.read(tmp_path) == store.entries()


@contextlib.contextmanager
def killed_at_each_step(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[list[Path]]:
    """Within it a copy of the folder is made before each thing that is done to the disk, and in the middle of each
    line: what would be there if the process were killed. The last is made at the end."""
    copies: list[Path] = []

    def copied() -> None:
        copies.append(folder.with_name(f"{folder.name}-{len(copies)}"))
        shutil.copytree(folder, copies[-1])

    def watched(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: object, **options: object) -> object:
            copied()
            return real(*given, **options)

        patched.setattr(owner, name, call)

    write = os.write

    def halves(file: int, content: bytes) -> int:
        copied()
        return write(file, content[: len(content) // 2 + 1])

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "write_bytes"), (Path, "replace"), (Path, "unlink"), (os, "fsync")):
            watched(owner, name)
        patched.setattr(os, "write", halves)
        yield copies
    copied()


def test_a_process_that_is_killed_at_any_step_of_a_move_leaves_the_old_truth_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path / "store")
    old = store.entries()
    with killed_at_each_step(monkeypatch, tmp_path / "store") as killed:
        walk(store, 3, "live")
    left = [(truth_of(folder), folder) for folder in killed]

    truths = [truth for truth, _ in left]
    assert [truth for truth in truths if truth not in (old, store.entries())] == []
    assert truths[0] == old
    assert truths[-1] == store.entries()
    for truth, folder in left:
        (folder / INDEX).unlink()
        assert truth_of(folder) == truth, "and so does the record"


def test_a_process_that_is_killed_while_the_index_is_written_whole_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tesseract.store_index.LINES_SPARE", -100)
    store = a_store(tmp_path / "store")
    monkeypatch.undo()
    every = store.entries()
    content = b"".join(map(line_of, every)) * (LINES_SPARE + 1)
    store.index.write_bytes(content)

    with killed_at_each_step(monkeypatch, tmp_path / "store") as killed:
        ReleaseStore(tmp_path / "store")

    left = [(len((folder / INDEX).read_bytes()), truth_of(folder)) for folder in killed]
    assert [truth for _, truth in left if truth != every] == []
    assert {size for size, _ in left} == {len(content), len(content) // (LINES_SPARE + 1)}
    again = ReleaseStore(tmp_path / "store-1")
    again.prune(50)
    assert list((tmp_path / "store-1").glob(".*")) == [], "what a killed writer left is swept"


# What a move costs, and how long the file is


def test_opening_a_whole_store_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_store(tmp_path)

    assert written_by(monkeypatch, lambda: ReleaseStore(tmp_path)) == 0


def written_by(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    total = 0
    write, write_bytes = os.write, Path.write_bytes

    def counted(file: int, content: bytes) -> int:
        nonlocal total
        total += len(content)
        return write(file, content)

    def counted_whole(path: Path, content: bytes) -> int:
        nonlocal total
        total += len(content)
        return write_bytes(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", counted)
        patched.setattr(Path, "write_bytes", counted_whole)
        act()
    return total


def costs(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that taking a release, moving it and pruning write beside this many others."""
    folder.mkdir()
    (folder / INDEX).write_bytes(b"".join(line_of(an_entry(number)) for number in range(1_000, 1_000 + count)))
    store = ReleaseStore(folder)
    number = 1_000 + count
    steps: list[Callable[[], object]] = [lambda: take(store, -1)]
    steps += [lambda state=state: walk(store, number, state) for state in WALK]  # type: ignore[misc]
    steps += [lambda: store.note(number, author="", note="a remark"), lambda: store.prune(50)]
    return [written_by(monkeypatch, step) for step in steps]


def test_a_move_writes_as_many_bytes_beside_5000_releases_as_beside_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = costs(tmp_path / "few", 5, monkeypatch), costs(tmp_path / "many", 5_000, monkeypatch)

    assert few == many
    assert max(few) < 3_000
    assert few[-1] == 0


def test_the_index_is_written_whole_before_it_is_long_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tesseract.store_index.LINES_SPARE", 10)
    store = a_store(tmp_path)
    lengths = []
    for _ in range(20):
        walk(store, 2, "staged", "rejected")
        lengths.append(len(store.index.read_bytes().splitlines()))

    assert max(lengths) <= LINES_PER_RELEASE * 3 + 10
    assert min(lengths) < 8, "it was written whole, and grew again"
    again = ReleaseStore(tmp_path)
    assert again.entries() == store.entries()
    assert again.is_barred(tree_digest(some_files(2))) == store.is_barred(tree_digest(some_files(2))) is not None
    assert again.newest_kept() == store.entry(1)
    assert take(again, 4) == 4


def test_a_disk_without_room_for_a_whole_index_still_takes_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tesseract.store_index.LINES_SPARE", -100)
    store = a_store(tmp_path)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if INDEX in path.name:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    walk(store, 3, "live", "kept")

    assert ReleaseStore(tmp_path).entries() == store.entries()
    assert not list(tmp_path.glob(".*"))


def test_a_long_index_is_written_whole_when_it_is_opened(tmp_path: Path) -> None:
    line = line_of(an_entry(1))
    index = tmp_path / INDEX
    for count in (LINES_PER_RELEASE + LINES_SPARE, LINES_PER_RELEASE + LINES_SPARE + 1):
        index.write_bytes(line * count)
        assert truth_of(tmp_path) == [an_entry(1)]

        expected = count if count == LINES_PER_RELEASE + LINES_SPARE else 1
        assert index.read_bytes() == line * expected


def test_a_record_that_is_behind_the_last_line_is_written_again(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    record = tmp_path / store.entry(3).digest[:16] / "release.json"
    before = record.read_bytes()
    for damage in (record.unlink, lambda: record.write_bytes(before.replace(b'"rehearsed"', b'"staged"', 1))):
        damage()
        assert truth_of(tmp_path) == store.entries()
        assert record.read_bytes() == before


# The older layout


def as_a_list(entries: list[Entry]) -> bytes:
    return b"[\n" + b",\n".join(map(msgspec.json.encode, entries)) + b"\n]\n"


def test_the_list_of_the_older_layout_is_taken_over_and_removed(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.index.unlink()
    (tmp_path / "releases.json").write_bytes(as_a_list(store.entries()))

    assert ReleaseStore.read(tmp_path) == store.entries(), "it can be read before"
    again = ReleaseStore(tmp_path)

    assert (again.entries(), again.healed) == (store.entries(), "")
    assert not (tmp_path / "releases.json").exists()
    assert ReleaseStore.read(tmp_path) == store.entries()
    assert take(again, 4) == 4


def test_a_process_that_is_killed_while_it_takes_the_list_over_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path / "store")
    store.index.unlink()
    (tmp_path / "store" / "releases.json").write_bytes(as_a_list(store.entries()))
    for path in (tmp_path / "store").glob("*/release.json"):
        path.unlink()

    with killed_at_each_step(monkeypatch, tmp_path / "store") as killed:
        ReleaseStore(tmp_path / "store")

    assert len(killed) > 4
    assert [truth for truth in map(truth_of, killed) if truth != store.entries()] == []


def test_what_an_older_version_wrote_later_is_taken_over_release_by_release(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    behind = store.entries()
    walk(store, 3, "live")
    later = msgspec.structs.replace(
        behind[0], state="live", history=(*behind[0].history, Step("live", "1970-01-01T00:00:02.000000Z", "put back"))
    )
    (tmp_path / "releases.json").write_bytes(as_a_list([later, *behind[1:], an_entry(4)]))

    assert truth_of(tmp_path) == [later, behind[1], store.entry(3), an_entry(4)]
    assert not (tmp_path / "releases.json").exists()


def test_a_damaged_list_of_the_older_layout_is_set_aside(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.index.unlink()
    (tmp_path / "releases.json").write_bytes(as_a_list(store.entries())[:-9])

    with pytest.raises(IndexDamaged):
        ReleaseStore.read(tmp_path)
    again = ReleaseStore(tmp_path)

    assert again.entries() == store.entries()
    assert "releases.json cannot be read (" in again.healed
    assert "is set aside as releases.json.damaged; 3 releases are found again. Nothing is known" in again.healed
    assert ReleaseStore(tmp_path).healed == ""
