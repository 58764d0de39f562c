"""Group B, what is not live code: an edit of it changes nothing that runs, and is told with the way that works."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.program import HEAD, HOSTS, Program, a_program
from conformance.refusals import assert_refused, refused
from tesseract.deployer import Notice

CHANGES = 3
BODY = """
import scratch_resident


def decide(given, state, params):
    return Result(State(state.seen + params.step), {})
"""


class Installed:
    """A resident package, a distribution that the program has imported, and a Python, all of which can be changed."""

    def __init__(self, folder: Path) -> None:
        self.libraries = folder / "libraries"
        self.package = self.libraries / "scratch_resident"
        self.python = folder / "bin" / "python"
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").write_text("ANSWER = 1\n")
        (self.package / "books.py").write_text("ANSWER = 1\n")
        (self.libraries / "scratch_needed.py").write_text("ANSWER = 1\n")
        self.put_distribution("1.0")
        self.python.parent.mkdir()
        self.python.symlink_to(os.path.realpath(sys.executable))

    def put_distribution(self, version: str) -> None:
        for old in self.libraries.glob("scratch_needed-*"):
            (old / "METADATA").unlink()
            (old / "RECORD").unlink()
            old.rmdir()
        home = self.libraries / f"scratch_needed-{version}.dist-info"
        home.mkdir()
        (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: scratch-needed\nVersion: {version}\n")
        (home / "RECORD").write_text("scratch_needed.py,,\n")

    def change_everything(self) -> None:
        (self.package / "books.py").write_text("ANSWER = 2\n")
        self.put_distribution("2.0")
        other = self.python.with_name("other")
        other.write_text("another interpreter")
        staging = self.python.with_name("staging")
        staging.symlink_to(other)
        staging.replace(self.python)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with pytest.MonkeyPatch.context() as patch:
        installed = Installed(tmp_path_factory.mktemp("installed"))
        patch.syspath_prepend(str(installed.libraries))
        names = ("scratch_needed", "scratch_resident")
        for name in names:
            importlib.import_module(name)
        yield installed
        for name in names:
            del sys.modules[name]


@pytest.fixture(scope="module")
def program(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program whose resident code, distribution and Python were all changed, after it noticed or had the time to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(installed.python))
        with a_program(
            tmp_path_factory.mktemp("bot"),
            host="process",
            files={"__init__.py": HEAD + BODY.format(1)},
            path=[str(installed.libraries)],
            resident=("scratch_resident",),
        ) as program:
            patch.undo()  # the program's processes run by the other name
            assert program.deploy({"__init__.py": HEAD + BODY.format("'live'")}).is_live
            installed.change_everything()
            for _ in range(200):
                program.pause(0.05)
                if len(program.happened(Notice)) >= CHANGES:
                    break
            yield program


def the_notice(program: Program, *says: str) -> str:
    found = [notice.text for notice in program.happened(Notice) if all(text in notice.text for text in says)]
    assert len(found) == 1, program.happened(Notice)
    return found[0]


def assert_goes_on(program: Program) -> None:
    """What runs is untouched, and live code can still be deployed."""
    number, told = program.state()["seen"], program.value()
    assert told == "live" or told > 1
    source = HEAD + BODY.format(number + 2)
    assert program.deploy({"__init__.py": source}).is_live
    assert program.value() == number + 2
    assert program.state() == {"seen": number + 2}


def test_resident_module_edited(program: Program, installed: Installed) -> None:
    text = the_notice(program, "books.py")
    edited = installed.package / "books.py"
    assert text == f"needs handover: {edited} has changed; the running code is unaffected"
    assert_goes_on(program)


def test_resident_dependency_upgraded(program: Program) -> None:
    text = the_notice(program, "scratch-needed")
    assert text == "needs handover: scratch-needed 1.0 runs, and 2.0 is installed"
    assert_goes_on(program)


def test_python_version(program: Program, installed: Installed) -> None:
    text = the_notice(program, "Python")
    assert text == f"needs handover: {installed.python} is another Python than the one that runs"
    assert_goes_on(program)


@pytest.mark.parametrize("host", HOSTS)
def test_a_deploy_out_of_resident_code_needs_a_handover(tmp_path: Path, installed: Installed, host: str) -> None:
    files = {"__init__.py": HEAD + BODY.format(1)}
    path = [str(installed.libraries)]
    with a_program(tmp_path, host=host, files=files, path=path, resident=("scratch_resident",)) as program:
        assert program.value() == 1
        for where in (installed.package, installed.package / ".." / "scratch_resident"):
            verdict = program.request(action="deploy", where=str(where))
            says = ("needs handover: ", str(installed.package / "__init__.py"), "only a new process runs another")
            assert_refused(program, verdict, *says, step="snapshot", running="v1")
        assert program.value() == 1
        refused(program, {"__init__.py": "oops oops\n"}, "SyntaxError")
        assert program.deploy({"__init__.py": HEAD + BODY.format(2)}).is_live
        assert program.value() == 2
