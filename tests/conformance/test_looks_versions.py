"""Group F, the version: the number shown is that of the code that executes, and an edited copy is never run."""

import hashlib
import importlib.util
import marshal
import signal
from pathlib import Path

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.swaps import LOOKING, live
from tesseract import InProcessHost, ReleaseRefused

ONE, TWO, OTHER = (f"def look(number):\n    return '{name}'\n" for name in ("one", "two", "other"))
SAYS = "is not what its name says"


def content_hash(package: Path) -> str:
    """SHA-256 over the names and contents of a package's files, each with its length before it."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix()):
        for part in (path.relative_to(package).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def two_releases(program: Program) -> tuple[Path, Path]:
    """`v2` runs and is kept; the stored packages of both."""
    program.value()
    one = live(program).spec.release.path
    assert program.deploy({"parts.py": TWO}).is_live
    program.keep()
    return one, live(program).spec.release.path


@pytest.mark.parametrize("host", HOSTS)
def test_version_is_executing_code(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        assert program.value() == "one"
        for source, name, release in ((ONE, "one", "v1"), (TWO, "two", "v2")):
            if release == "v2":
                assert program.deploy({"parts.py": source}).is_live
            digest = content_hash(program.tree)
            program.write({"parts.py": OTHER})
            outcome, host_now = program.ask(), live(program)
            assert (outcome.release, outcome.value.value) == (release, name)
            assert host_now.loaded.digest == host_now.spec.release.digest == digest
            assert content_hash(host_now.spec.release.path) == digest
            assert host_now.spec.release.path.parent.name == digest[:16]


@pytest.mark.parametrize("host", HOSTS)
def test_a_stored_copy_that_was_edited_does_not_come_back_under_its_old_name(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        one, _ = two_releases(program)
        (one / "parts.py").write_text(OTHER)
        verdict = program.request(action="rollback", where="v1")
        assert verdict.is_refused
        assert f"its copy {one} is damaged, so v1 is lost until its content is taken again" in verdict.text
        assert verdict.text.endswith("; v2 is still running")
        assert program.value() == "two"
        assert program.deploy({"parts.py": ONE}).is_live
        assert (program.value(), program.running) == ("one", "v1")


@pytest.mark.parametrize("host", HOSTS)
def test_a_stored_copy_that_was_edited_is_not_run_with_other_parameters(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        _, two = two_releases(program)
        (two / "parts.py").write_text(OTHER)
        verdict = program.request(action="params", overrides={"step": 5}, revision=2)
        assert verdict.is_refused
        assert f"parameters r2 refused at stage: the stored copy {two} {SAYS}" in verdict.text
        assert verdict.text.endswith("; v2 is still running")
        assert (program.value(), program.ask().revision) == ("two", 1)


def test_a_stored_copy_that_was_edited_is_not_run_when_the_process_must_start_again(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        _, two = two_releases(program)
        (two / "parts.py").write_text(OTHER)
        signal.pidfd_send_signal(live(program).pidfd, signal.SIGKILL)
        outcomes = [program.ask() for _ in range(3)]
        assert [outcome.value for outcome in outcomes] == [None] * 3
        assert any("v2 cannot be started again" in text and SAYS in text for text in program.printed)


@pytest.mark.parametrize("host", HOSTS)
def test_byte_code_in_a_stored_copy_is_never_run_instead_of_the_source(tmp_path: Path, host: str) -> None:
    def leave_byte_code(package: Path) -> None:
        """What Python runs without a look at the source: `python -m compileall --invalidation-mode unchecked-hash`."""
        path = Path(importlib.util.cache_from_source(str(package / "parts.py")))
        path.parent.mkdir()
        code = compile(OTHER, str(package / "parts.py"), "exec")
        head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
        path.write_bytes(head + marshal.dumps(code))

    with a_program(tmp_path, host=host, files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        one, two = two_releases(program)
        leave_byte_code(one)
        assert program.request(action="rollback", where="v1").is_live
        assert (program.value(), program.running) == ("one", "v1")
        program.keep()
        leave_byte_code(two)
        assert program.deploy({"parts.py": TWO}).is_live
        assert (program.value(), program.running) == ("two", "v2")
        leave_byte_code(two)
        verdict = program.request(action="params", overrides={"step": 5}, revision=2)
        assert verdict.is_live if host == "in_process" else SAYS in verdict.text
        assert program.value() == "two"


def test_a_release_whose_copy_was_edited_is_not_run_by_a_replay(tmp_path: Path) -> None:
    with a_program(tmp_path, host="in_process", files={"__init__.py": LOOKING, "parts.py": ONE}) as program:
        release, contract = live(program).spec.release, program.runtime.seam.contract
        (release.path / "parts.py").write_text(OTHER)
        with pytest.raises(ReleaseRefused, match=SAYS):
            InProcessHost(release, contract)
