"""Bad releases that do something at their import: each is refused, and what it did stays in the candidate's host.

All cases run in one program with processes of its own. After each one this process, the processes below it and the
files beside the live tree are as they were; `untouched` compares them.
"""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.bad_releases import LINES, a_warm_program, good, is_refused
from conformance.program import Program
from conformance.surroundings import memory_bytes, untouched
from tesseract import Request
from tesseract.deploy_events import NotDone

NEXT = LINES + 1
"""The line at which a case's own code begins."""
NEIGHBOUR = "@NEIGHBOUR@"
"""Stands for a file that belongs to somebody else."""
PORT = "@PORT@"
"""Stands for the port of a server that waits for connections."""

ACTS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "memory_bomb_at_import": (
        ("TABLE = bytearray(10**12)", (f"strategy/__init__.py:{NEXT} MemoryError", "TABLE = bytearray(10**12)")),
        ("HOARD = []\nwhile True:\n    HOARD.append([0] * 10**7)", (f"strategy/__init__.py:{NEXT + 2} MemoryError",)),
    ),
    "recursion_at_import": (
        ("def down():\n    return down()\n\n\ndown()", (f"strategy/__init__.py:{NEXT + 1} RecursionError",)),
        ("import sys\nsys.setrecursionlimit(10**9)\ndef down(_):\n    sorted([1], key=down)\ndown(1)", ()),
    ),
    "prints_a_gigabyte": (
        ("for _ in range(1024):\n    print('x' * 2**20)", (f"strategy/__init__.py:{NEXT + 1} OSError", "too large")),
        ("import os\nwhile True:\n    os.write(2, b'x' * 2**20)", (f"strategy/__init__.py:{NEXT + 2} OSError",)),
    ),
    "os_exit_at_import": (
        ("import os\nos._exit(0)", ("its process ended during its import", "exit code 0")),
        ("print('the last words')\nimport os\nos._exit(3)", ("exit code 3", "it wrote last: the last words")),
        ("import os\nos.abort()", ("it was killed by", f'strategy/__init__.py", line {NEXT + 1} in <module>')),
        ("import ctypes\nctypes.string_at(0)", ("it was killed by SIGSEGV", f'__init__.py", line {NEXT + 1} in <mod')),
    ),
    "sys_exit": (
        ("import sys\nsys.exit('good bye')", (f"strategy/__init__.py:{NEXT + 1} SystemExit: good bye",)),
        ("raise KeyboardInterrupt", (f"strategy/__init__.py:{NEXT} KeyboardInterrupt",)),
    ),
    "kill_self": (
        ("import os\nos.kill(os.getpid(), 9)", (f"strategy/__init__.py:{NEXT + 1} PermissionError", "send a signal")),
        ("import os\nos.kill(os.getppid(), 9)", ("live code may not send a signal (os.kill)",)),
        ("import signal\nsignal.raise_signal(signal.SIGKILL)", (f"strategy/__init__.py:{NEXT + 1} ",)),
        ("import ctypes, os\nassert ctypes.CDLL(None).kill(os.getppid(), 9) == 0, 'it lives'", ("it lives",)),
    ),
    "fork_at_import": (
        ("import os, time\nif os.fork() == 0:\n    time.sleep(60)", ("live code may not start a process (os.fork)",)),
        ("import subprocess\nsubprocess.Popen(['sleep', '60'])", ("live code may not start a process (subproc",)),
        ("import os\nos.system('sleep 60 &')", ("live code may not start a process (os.system)",)),
        ("import ctypes\nassert ctypes.CDLL(None).fork() >= 0, 'alone'", ("AssertionError: alone",)),
    ),
    "starts_thread_at_import": (
        ("import threading\nthreading.Thread(target=print).start()", (f"__init__.py:{NEXT + 1} ", "start")),
        ("import _thread\n_thread.start_new_thread(print, ())", (f"__init__.py:{NEXT + 1} ", "start")),
    ),
    "opens_socket_at_import": (
        (f"import socket\nS = socket.create_connection(('127.0.0.1', {PORT}))", ("live code may not use the network",)),
        ("import socket\nS = socket.socket()", (f"strategy/__init__.py:{NEXT + 1} PermissionError",)),
        (
            f"from urllib import request\ntry:\n    request.urlopen('http://[::1]:{PORT}')\nexcept OSError:\n    pass",
            (f"strategy/__init__.py:{NEXT + 2}: live code may not use the network",),
        ),
    ),
    "deletes_files_at_import": (
        (f"import os\nos.remove('{NEIGHBOUR}')", ("live code may not change files (os.remove)",)),
        (
            f"import pathlib\ntry:\n    pathlib.Path('{NEIGHBOUR}').unlink()\nexcept OSError:\n    pass",
            (f"strategy/__init__.py:{NEXT + 2}: live code may not change files (os.remove)",),
        ),
        (f"import shutil\nshutil.rmtree('{NEIGHBOUR}/..', True)", ("live code may not change files (shutil.rmtree)",)),
        (f"open('{NEIGHBOUR}', 'w').close()", (f"strategy/__init__.py:{NEXT} PermissionError", "for writing")),
        ("open(__file__, 'a').write('# more')", ("for writing",)),
        (f"import ctypes\nassert ctypes.CDLL(None).unlink(b'{NEIGHBOUR}') == 0, 'it stays'", ("it stays",)),
    ),
    "changes_cwd_env_signal_or_locale": (
        ("import os\nos.chdir('/')", ("live code may not change the working directory (os.chdir)",)),
        ("import os\nos.environ['HOME'] = '/'", ("live code may not change the environment (os.putenv)",)),
        ("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", ("it set a handler for SIGTERM",)),
        ("import locale\nlocale.setlocale(locale.LC_ALL, 'C')", ("it changed the locale from",)),
        ("import sys\nsys.setrecursionlimit(77_777)", ("it changed the recursion limit from 1000 to 77777",)),
        ("import os\nos.umask(0)", ("it changed the umask from",)),
        ("import sys\nsys.path.insert(0, '/tmp')", ("it changed sys.path",)),
    ),
    "monkeypatches_stdlib_or_resident_code": (
        (
            "import os, time, conformance.resident as ours\nos.getcwd = time.sleep = ours.problem_of = len",
            ("it replaced os.getcwd", "it replaced time.sleep", "it replaced conformance.resident.problem_of"),
        ),
        ("import pathlib\npathlib.Path.exists = lambda self: True", (".Path.exists",)),
        ("import builtins\nbuiltins.print = len", ("it replaced builtins.print",)),
        (
            "from conformance.resident import problem_of\nproblem_of.__code__ = (lambda told: None).__code__",
            ("it changed the inside of conformance.resident.problem_of",),
        ),
        ("import sys\nsys.modules['inspect'] = sys", ("it replaced the module inspect",)),
        ("import tesseract.guest\ntesseract.guest.Guest.call = None", ("it replaced tesseract.guest.Guest.call",)),
    ),
}
HANGS = {
    "endless_loop_at_import": "import time\nwhile True: pass",
    "sleep_at_import": "import time\ntime.sleep(60)",
}
CASES = {**ACTS, **HANGS}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("imports")
    (folder / "neighbours").mkdir()
    (folder / "neighbours" / "keys.txt").write_text("not yours")
    with a_warm_program(folder, "process") as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        waiting.setblocking(False)
        yield waiting


@pytest.mark.parametrize("case", ACTS)
def test_what_a_release_does_at_its_import_stays_in_its_host(
    program: Program, server: socket.socket, case: str
) -> None:
    memory = memory_bytes()
    for code, told in ACTS[case]:
        theirs = code.replace(NEIGHBOUR, str(program.folder / "neighbours" / "keys.txt"))
        is_refused(program, {"__init__.py": good() + theirs.replace(PORT, str(server.getsockname()[1])) + "\n"}, *told)
    assert memory_bytes() - memory < 32 * 2**20, "this process stays as small as it was"
    with pytest.raises(BlockingIOError):
        server.accept()


def test_a_thread_that_is_refused_is_told_even_when_the_error_is_swallowed(program: Program) -> None:
    code = "import threading\ntry:\n    threading.Thread(target=print).start()\nexcept Exception:\n    pass\n"
    if sys.version_info >= (3, 12):
        told = f"strategy/__init__.py:{NEXT + 2}: live code may not start a thread"
        is_refused(program, {"__init__.py": good() + code}, told)
    else:  # this Python tells nobody of its threads: the kernel alone refuses them
        code += "assert threading.active_count() == 1\n"
        assert program.deploy({"__init__.py": good("alone") + code}).is_live
        assert program.value() == "alone"
        program.roll_back()


def test_everything_that_an_import_left_behind_is_told_at_once(program: Program) -> None:
    code = "import os, sys, time\ntime.left = 1\nsys.setrecursionlimit(5000)\n"
    code += "try:\n    os.chdir('/')\nexcept OSError:\n    pass\n"
    told = ("it added time.left", "it changed the recursion limit", "may not change the working directory (os.chdir)")
    is_refused(program, {"__init__.py": good() + code}, *told)


def test_a_gigabyte_that_is_printed_with_every_error_swallowed_is_bounded(program: Program) -> None:
    code = "import os\nfor _ in range(1024):\n    try:\n        os.write(1, BLOCK)\n    except OSError:\n        pass\n"
    memory = memory_bytes()
    assert program.deploy({"__init__.py": good("it printed") + "BLOCK = b'x' * 2**20\n" + code}).is_live
    assert program.value() == "it printed"
    assert memory_bytes() - memory < 32 * 2**20
    assert sum(map(len, program.printed)) < 100_000
    program.roll_back()


def test_an_alarm_that_an_import_sets_never_rings(program: Program) -> None:
    code = "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\nsignal.signal(signal.SIGALRM, signal.SIG_DFL)\n"
    assert program.deploy({"__init__.py": good("no alarm") + code}).is_live
    with untouched(program):
        program.pause(0.2)
        assert program.value() == "no alarm"


@pytest.mark.parametrize("case", HANGS)
def test_an_import_that_does_not_end_is_interrupted_and_told_where(tmp_path: Path, case: str) -> None:
    with a_warm_program(tmp_path, "process", import_s=0.5) as program:
        told = f"strategy/__init__.py:{NEXT + 1} OverrunError: it took too long and was interrupted: "
        is_refused(program, {"__init__.py": good() + HANGS[case] + "\n"}, told + HANGS[case].splitlines()[1])


STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass\n"


def test_an_import_that_swallows_the_interruption_is_killed_from_outside(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", import_s=0.4) as program:
        told = "its import was not done within 0.5 s; its process was killed"
        is_refused(program, {"__init__.py": good() + STUBBORN}, told)


def test_calls_are_answered_as_ever_while_an_import_hangs(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", import_s=0.4) as program:
        program.write({"__init__.py": good() + STUBBORN})
        program.runtime.request(Request(id="hangs", action="deploy", author="ana"))
        took_s = []
        while not any(event.request == "hangs" for event in program.happened(NotDone)):
            began_s = time.monotonic()
            assert program.value() == "the second"
            took_s.append(time.monotonic() - began_s)
            program.pause(0.02)
            assert len(took_s) < 1_000, "it is refused in the end"
        assert len(took_s) > 10
        assert sorted(took_s)[len(took_s) // 2] < 0.05
