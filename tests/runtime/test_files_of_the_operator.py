"""State files and overrides: whole or not at all, and every mistake told."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from foresight.errors import DesiredRefused
from foresight.runtime.desired import Desired, read_desired, refuse_unknown
from foresight.runtime.state_files import encode, write_atomic


class Inner(msgspec.Struct, frozen=True):
    weight: float = 0.5


class Params(msgspec.Struct, frozen=True):
    limit: int = 3
    inner: Inner = Inner()


def test_a_state_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_atomic(path, b"old")
    write_atomic(path, encode(Params()))
    assert json.loads(path.read_text()) == {"limit": 3, "inner": {"weight": 0.5}}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_document_and_nothing_beside_it(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    write_atomic(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, refuse)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_document_asks_for_nothing(tmp_path: Path) -> None:
    assert read_desired(tmp_path / "desired.json") == Desired(revision=1, halted=False, params={})


def test_a_document_says_what_is_desired(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    path.write_text('{"revision": 3, "author": "ana", "halted": true, "params": {"momentum.s30": 0.5}}')
    assert read_desired(path) == Desired(3, "ana", True, {"momentum.s30": 0.5})


def test_overrides_that_no_release_has_are_named_where_there_is_no_later_one() -> None:
    refuse_unknown(())
    with pytest.raises(DesiredRefused) as refused:
        refuse_unknown(("nothing", "inner.nothing"))
    assert "nothing: there is no such parameter" in str(refused.value)
    assert "inner.nothing: there is no such parameter" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"params": 1}', '{"unknown": 1}', '{"revision": "x"}', "\xff"])
def test_a_torn_or_wrong_document_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "desired.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DesiredRefused, match="correct it or delete it"):
        read_desired(path)
