"""Group B, what only live code depends on: each host imports it afresh, and one that runs keeps what it has."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from conformance.program import HEAD, a_program
from conformance.refusals import refused

DECIDE = """


def decide(given, state, params):
    return Result(State(state.seen + params.step), told())
"""
PLAIN = f"{HEAD}\n\ndef told():\n    return 'nothing needed'\n{DECIDE}"
USES = f"{HEAD}\nimport scratch_dependency\n\n\ndef told():\n    return scratch_dependency.told()\n{DECIDE}"
"""Live code; `SECOND` is the same with another content, because only a tree that changed is deployed."""
SECOND = USES + "\n# the same with the new dependency\n"


def install(libraries: Path, version: str, files: dict[str, str]) -> None:
    """A distribution as an installer leaves it: the old version's files are gone."""
    shutil.rmtree(libraries / "scratch_dependency", ignore_errors=True)
    for old in libraries.glob("scratch_dependency-*.dist-info"):
        shutil.rmtree(old)
    home = libraries / f"scratch_dependency-{version}.dist-info"
    home.mkdir(parents=True)
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: scratch-dependency\nVersion: {version}\n")
    for name, content in files.items():
        path = libraries / "scratch_dependency" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


FIRST = {"__init__.py": "from scratch_dependency.inner import told\n", "inner.py": "def told():\n    return 'first'\n"}
OTHER = {
    "__init__.py": "import importlib.util\n\nfrom scratch_dependency.outer import told as outer\n\n\n"
    "def told():\n    return [outer(), importlib.util.find_spec('scratch_dependency.inner') is not None]\n",
    "outer.py": "def told():\n    return 'second'\n",
}


def test_new_dependency_installed(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    with a_program(tmp_path / "bot", host="process", files={"__init__.py": PLAIN}, path=[str(libraries)]) as program:
        assert program.value() == "nothing needed"
        install(libraries, "1.0", FIRST)
        verdict = program.deploy({"__init__.py": USES})
        assert verdict.is_live, verdict.text
        assert program.value() == "first"
        assert program.state() == {"seen": 2}


def test_dependency_upgraded(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    install(libraries, "1.0", FIRST)
    with a_program(tmp_path / "bot", host="process", files={"__init__.py": USES}, path=[str(libraries)]) as program:
        assert program.value() == "first"
        install(libraries, "2.0", OTHER)
        assert program.value() == "first"  # what runs keeps what it has imported

        verdict = program.deploy({"__init__.py": SECOND})

        assert verdict.is_live, verdict.text
        assert program.value() == ["second", False]
        program.roll_back()
        assert program.value() == "first"


C_SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *nothing) {{ return PyLong_FromLong({answer}); }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, ""}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "scratch_extension", NULL, -1, methods}};
PyMODINIT_FUNC PyInit_scratch_extension(void) {{ return PyModule_Create(&module); }}
"""
EXTENDED = f"{HEAD}\nimport scratch_extension\n\n\ndef told():\n    return scratch_extension.answer()\n{DECIDE}"
HEADERS = Path(sysconfig.get_paths()["include"])


def build(libraries: Path, answer: int) -> None:
    """Compiles the extension beside its place, and puts it there, as an installer does."""
    libraries.mkdir(exist_ok=True)
    source, built = libraries / "scratch_extension.c", libraries / "building.so"
    source.write_text(C_SOURCE.format(answer=answer))
    command = ["gcc", "-shared", "-fPIC", "-O0", f"-I{HEADERS}", str(source), "-o", str(built)]
    subprocess.run(command, check=True, capture_output=True)
    built.replace(libraries / f"scratch_extension{sysconfig.get_config_var('EXT_SUFFIX')}")


@pytest.mark.skipif(
    shutil.which("gcc") is None or not (HEADERS / "Python.h").exists(), reason="needs gcc and Python's headers"
)
def test_c_extension_rebuilt(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    build(libraries, 1)
    with a_program(tmp_path / "bot", host="process", files={"__init__.py": EXTENDED}, path=[str(libraries)]) as program:
        assert program.value() == 1
        build(libraries, 2)
        assert program.value() == 1

        verdict = program.deploy({"__init__.py": EXTENDED + "\n# the same with the new extension\n"})

        assert verdict.is_live, verdict.text
        assert program.value() == 2
        program.roll_back()
        assert program.value() == 1


@pytest.mark.parametrize("host", ["process", "in_process"])
def test_new_dependency_missing(tmp_path: Path, host: str) -> None:
    libraries = tmp_path / "libraries"
    with a_program(tmp_path / "bot", host=host, files={"__init__.py": PLAIN}, path=[str(libraries)]) as program:
        assert program.value() == "nothing needed"
        line = USES.splitlines().index("import scratch_dependency") + 1
        refused(
            program,
            {"__init__.py": USES},
            f"strategy/__init__.py:{line} ModuleNotFoundError: No module named 'scratch_dependency'",
            "import scratch_dependency; install the distribution that has it, and force the deploy",
        )
        if host == "process":
            install(libraries, "1.0", FIRST)
            verdict = program.deploy(is_forced=True)
            assert verdict.is_live, verdict.text
            assert program.value() == "first"


def test_a_library_folder_around_the_bot_is_not_readable_by_live_code(tmp_path: Path) -> None:
    """A path that happens to hold the bot's own folder gives its keys and state to nobody."""
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "secret.txt").write_text("key")
    reads = (
        f"def told():\n    with open({str(tmp_path / 'bot' / 'secret.txt')!r}) as file:\n        return file.read()\n"
    )
    files = {"__init__.py": f"{HEAD}\n{reads}{DECIDE}"}
    with a_program(tmp_path / "bot", host="process", files=files, path=[str(tmp_path)]) as program:
        outcome = program.ask()
        assert outcome.fault is not None
        assert "PermissionError" in outcome.fault.text
