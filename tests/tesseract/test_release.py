"""Releases: taking an immutable, content-addressed copy of a live tree."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_trees import a_release, a_tree, paths_below

from tesseract import Release, ReleaseRefused, TesseractError, read_tree, take_release, tree_digest
from tesseract.release import NOISE_DIRECTORIES, NOISE_SUFFIXES, TREE_BYTES_MAX, require_apart

FILES = {"__init__.py": "from .a import x\n", "a.py": "x = 1\n", "tables/weights.json": "[1, 2]", "tables/ä b.txt": "é"}


def taken(tree: Path, store: Path, number: int = 1) -> Release:
    return take_release(tree, store, number=number, origin="a person", now_ns=77)


def test_a_release_names_its_number_origin_time_and_package(tmp_path: Path) -> None:
    release = taken(a_tree(tmp_path, FILES), tmp_path / "store", 18)

    assert release.name == "v18"
    assert (release.origin, release.created_ns, release.package) == ("a person", 77, "strategy")
    assert release.path == tmp_path / "store" / release.digest[:16] / "strategy"


def test_the_stored_copy_is_complete(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)

    release = taken(tree, tmp_path / "store")

    assert read_tree(release.path) == read_tree(tree)
    assert paths_below(release.path) == sorted(FILES)


def test_the_digest_is_that_of_the_stored_copy(tmp_path: Path) -> None:
    release = taken(a_tree(tmp_path, FILES), tmp_path / "store")

    assert tree_digest(read_tree(release.path)) == release.digest


def test_the_same_content_gives_the_same_digest_whatever_times_order_and_permissions(tmp_path: Path) -> None:
    one = a_tree(tmp_path / "one", FILES)
    other = a_tree(tmp_path / "other", dict(reversed(FILES.items())))
    for path in other.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)

    first, second = taken(one, tmp_path / "store"), taken(other, tmp_path / "store", 2)

    assert first.digest == second.digest
    assert first.path == second.path


def test_the_same_content_is_stored_once_and_the_copy_stays_as_it_was(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    first = taken(tree, tmp_path / "store")
    inode = (first.path / "a.py").stat().st_ino

    taken(tree, tmp_path / "store", 2)

    assert (first.path / "a.py").stat().st_ino == inode
    assert [path.name for path in (tmp_path / "store").iterdir()] == [first.digest[:16]]


def test_the_same_content_under_another_package_name_is_complete_under_both(tmp_path: Path) -> None:
    one = taken(a_tree(tmp_path, FILES, "strategy"), tmp_path / "store")
    other = taken(a_tree(tmp_path, FILES, "contrarian"), tmp_path / "store", 2)

    assert one.digest == other.digest
    assert read_tree(one.path) == read_tree(other.path)


@pytest.mark.parametrize(
    "change",
    [
        {**FILES, "a.py": "x = 2\n"},
        {**FILES, "b.py": ""},
        {name: text for name, text in FILES.items() if name != "a.py"},
        {**{name: text for name, text in FILES.items() if name != "a.py"}, "c.py": FILES["a.py"]},
        {**FILES, "tables/weights.json": "[1, 3]"},
    ],
    ids=["edited", "added", "removed", "renamed", "a data file edited"],
)
def test_any_change_of_content_or_name_changes_the_digest(tmp_path: Path, change: dict[str, str]) -> None:
    before = taken(a_tree(tmp_path / "one", FILES), tmp_path / "store")
    after = taken(a_tree(tmp_path / "other", change), tmp_path / "store", 2)

    assert after.digest != before.digest
    assert after.path != before.path


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=8), max_size=4),
    st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=8), max_size=4),
)
def test_digests_are_equal_exactly_when_the_files_are(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (tree_digest(one) == tree_digest(other)) == (one == other)


def test_content_cannot_be_moved_between_name_and_neighbour_without_changing_the_digest() -> None:
    assert tree_digest({"a": b"b", "c": b"d"}) != tree_digest({"a": b"bcd"})
    assert tree_digest({"ab": b"c"}) != tree_digest({"a": b"bc"})


@pytest.mark.parametrize("folder", sorted(NOISE_DIRECTORIES))
def test_folders_of_tools_do_not_count(tmp_path: Path, folder: str) -> None:
    clean = tree_digest(read_tree(a_tree(tmp_path / "clean", FILES)))
    noisy = a_tree(tmp_path / "noisy", {**FILES, f"{folder}/x.py": "noise", f"tables/{folder}/y": "noise"})

    assert tree_digest(read_tree(noisy)) == clean


@pytest.mark.parametrize("name", [*(f"a.py{end}" for end in NOISE_SUFFIXES), ".#a.py", "#a.py#", ".nfs0001"])
def test_leavings_of_editors_do_not_count(tmp_path: Path, name: str) -> None:
    clean = tree_digest(read_tree(a_tree(tmp_path / "clean", FILES)))
    noisy = a_tree(tmp_path / "noisy", {**FILES, name: "noise"})

    assert tree_digest(read_tree(noisy)) == clean


def test_edits_of_the_tree_after_the_release_was_taken_change_nothing(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, FILES)
    release = taken(tree, tmp_path / "store")
    before = read_tree(release.path)

    (tree / "a.py").write_text("x = 'edited'\n")
    (tree / "new.py").write_text("")
    (tree / "__init__.py").unlink()

    assert read_tree(release.path) == before


def test_a_symbolic_link_to_the_tree_is_the_tree(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "real", FILES)
    (tmp_path / "strategy").symlink_to(tree)

    assert taken(tmp_path / "strategy", tmp_path / "store").digest == tree_digest(read_tree(tree))


def refusal_of(tree: Path, store: Path) -> str:
    with pytest.raises(ReleaseRefused) as caught:
        taken(tree, store)
    assert not store.exists(), "a refused tree leaves the store as it was"
    return str(caught.value)


def test_a_missing_tree_is_refused(tmp_path: Path) -> None:
    assert "strategy cannot become a release; nothing was changed:\n  - the folder does not exist" in refusal_of(
        tmp_path / "strategy", tmp_path / "store"
    )


def test_a_file_in_the_place_of_the_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "strategy").write_text("")

    assert "does not exist" in refusal_of(tmp_path / "strategy", tmp_path / "store")


def test_an_empty_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "strategy").mkdir()

    assert "__init__.py is missing" in refusal_of(tmp_path / "strategy", tmp_path / "store")


def test_a_tree_of_noise_alone_is_refused(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py~": "", "__pycache__/__init__.py": ""})

    assert "__init__.py is missing" in refusal_of(tree, tmp_path / "store")


def test_a_tree_at_the_size_limit_is_taken_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    fits = a_tree(tmp_path / "fits", {"__init__.py": b"", "table.bin": bytes(TREE_BYTES_MAX)})
    exceeds = a_tree(tmp_path / "exceeds", {"__init__.py": b"", "table.bin": bytes(TREE_BYTES_MAX + 1)})

    assert "more than 16 MiB" in refusal_of(exceeds, tmp_path / "store")
    assert taken(fits, tmp_path / "store").name == "v1"


def test_a_recording_dropped_into_the_tree_is_refused_without_reading_it(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    with (tree / "recording.parquet").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that could never be read into memory

    assert "more than 16 MiB" in refusal_of(tree, tmp_path / "store")


def test_a_dangling_link_is_refused_with_its_name(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    (tree / "gone.py").symlink_to(tmp_path / "nowhere")

    assert "gone.py" in refusal_of(tree, tmp_path / "store")


def test_a_pipe_in_the_tree_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    os.mkfifo(tree / "pipe.py")

    assert "pipe.py" in refusal_of(tree, tmp_path / "store")


def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = a_tree(tmp_path, {"__init__.py": "", "secret.py": ""})
    read = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "secret.py":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)

    assert "secret.py" in refusal_of(tree, tmp_path / "store")


def test_a_name_that_is_no_unicode_is_taken(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    (tree / os.fsdecode(b"table-\xff.txt")).write_text("x")

    release = taken(tree, tmp_path / "store")

    assert read_tree(release.path) == read_tree(tree)


def test_a_refusal_carries_all_its_problems_and_the_tree() -> None:
    refused = ReleaseRefused("strategy", ["one is wrong", "two is wrong"])

    assert isinstance(refused, TesseractError)
    assert refused.tree == "strategy"
    assert refused.problems == ("one is wrong", "two is wrong")
    assert "\n  - one is wrong\n  - two is wrong" in str(refused)


@pytest.mark.parametrize("failing", range(len(FILES)))
def test_a_disk_that_fails_at_the_nth_write_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    tree, store = a_tree(tmp_path, FILES), tmp_path / "store"
    write, writes = Path.write_bytes, []

    def full(path: Path, content: bytes) -> int:
        writes.append(path)
        if len(writes) > failing:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OSError, match="No space left"):
        taken(tree, store)
    assert list(store.iterdir()) == []

    monkeypatch.undo()
    assert read_tree(taken(tree, store).path) == read_tree(tree)


def test_a_half_written_copy_is_never_visible_under_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, store = a_tree(tmp_path, FILES), tmp_path / "store"
    home = store / tree_digest(read_tree(tree))[:16] / "strategy"
    write, seen = Path.write_bytes, []

    def watched(path: Path, content: bytes) -> int:
        seen.append(home.exists())
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", watched)
    taken(tree, store)

    assert seen == [False] * len(FILES)
    assert home.exists()


def test_of_two_that_write_the_same_release_at_once_the_first_copy_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, store = a_tree(tmp_path, FILES), tmp_path / "store"
    write, winners = Path.write_bytes, []

    def overtaken(path: Path, content: bytes) -> int:
        if not winners:
            winners.append(None)
            monkeypatch.setattr(Path, "write_bytes", write)
            winners[0] = taken(tree, store).path.stat().st_ino  # another process finishes first
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", overtaken)
    release = taken(tree, store, 2)

    assert release.path.stat().st_ino == winners[0]
    assert read_tree(release.path) == read_tree(tree)
    assert len(list(store.iterdir())) == 1


def test_a_stored_copy_that_was_edited_is_set_aside_and_written_anew(tmp_path: Path) -> None:
    files = {"__init__.py": "x = 1\n"}
    first = a_release(tmp_path, files)
    (first.path / "__init__.py").write_text("x = 2\n")
    second = take_release(tmp_path / "tree1" / "strategy", tmp_path / "store", number=1, origin="test", now_ns=0)
    assert (second.path / "__init__.py").read_text() == "x = 1\n"
    damaged = second.path.parent.with_name(f"{second.path.parent.name}.damaged")
    assert (damaged / "strategy/__init__.py").read_text() == "x = 2\n"


def test_a_relative_folder_gives_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_release(tmp_path, {"__init__.py": ""})
    monkeypatch.chdir(tmp_path)
    release = take_release(Path("tree1/strategy"), Path("store"), number=1, origin="test", now_ns=0)
    assert release.path.is_absolute()


def test_linked_folders_are_followed_and_their_content_is_copied(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    shared = a_tree(tmp_path, {"b.py": "b = 1\n", "deep/c.py": "c = 1\n"}, "shared")
    (tree / "common").symlink_to(shared)
    (tree / "again").symlink_to("common/deep")

    release = taken(tree, tmp_path / "store")

    assert paths_below(release.path) == ["__init__.py", "again/c.py", "common/b.py", "common/deep/c.py"]
    assert not any(path.is_symlink() for path in release.path.rglob("*"))


@pytest.mark.parametrize("target", [".", "..", "loop"])
def test_a_link_that_leads_in_a_circle_is_refused_with_its_name(tmp_path: Path, target: str) -> None:
    tree = a_tree(tmp_path, {"__init__.py": "", "deep/a.py": ""})
    (tree / "deep/loop").symlink_to(target)

    assert "deep/loop" in refusal_of(tree, tmp_path / "store")


def test_links_that_multiply_folders_without_end_are_refused(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    for level in range(20):
        (tmp_path / f"level{level}").mkdir()
        for name in ("one", "two"):
            (tmp_path / f"level{level}" / name).symlink_to(tmp_path / f"level{level + 1}")
    (tmp_path / "level20").mkdir()
    (tree / "bomb").symlink_to(tmp_path / "level0")

    assert "more than 20000 files and folders" in refusal_of(tree, tmp_path / "store")


@pytest.mark.parametrize(
    ("store", "link", "leads_to", "says"),
    [
        ("strategy/releases", "", "", "the live tree lies around the store"),
        ("strategy", "", "", "the live tree lies around the store"),
        (".", "", "", "the live tree lies inside the store"),
        ("to_the_tree/releases", "to_the_tree", "strategy", "the live tree lies around the store"),
        ("data/releases", "strategy/shared", "data", "shared lies around the store"),
        ("data/releases", "strategy/deep/old", "data/releases/abc/strategy", "deep/old lies inside the store"),
        ("data/releases", "strategy/index.json", "data/releases/releases.jsonl", "index.json lies inside the store"),
    ],
)
def test_a_tree_and_a_store_that_hold_one_another_are_refused_also_through_links(
    tmp_path: Path, store: str, link: str, leads_to: str, says: str
) -> None:
    tree = a_tree(tmp_path, {"__init__.py": "", "deep/a.py": ""})
    stored = a_tree(tmp_path, {"releases.jsonl": "", "abc/strategy/__init__.py": ""}, "data/releases")
    assert stored == tmp_path / "data" / "releases"
    if link:
        (tmp_path / link).symlink_to(tmp_path / leads_to)

    with pytest.raises(ReleaseRefused) as refused:
        require_apart(tree, tmp_path / store)

    assert says in str(refused.value)


def test_a_store_beside_the_tree_is_fine_whatever_links_there_are(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, {"__init__.py": ""})
    shared = a_tree(tmp_path, {"b.py": ""}, "data/shared")
    (tree / "shared").symlink_to(shared)
    (tree / "loop").symlink_to("loop")
    (tmp_path / "strategy_releases").mkdir()

    require_apart(tree, tmp_path / "data/releases")
    require_apart(tree, tmp_path / "strategy_releases")
    require_apart(tmp_path / "missing", tmp_path / "data")


def test_a_folder_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = a_tree(tmp_path, {"__init__.py": "", "secret/a.py": ""})
    scan = os.scandir

    def denied(folder: Path) -> object:
        if folder.name == "secret":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", denied)

    assert "secret cannot be read: Permission denied" in refusal_of(tree, tmp_path / "store")
