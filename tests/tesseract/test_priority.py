"""Who goes first on a machine with fewer cores than work; asked in a process of its own, which it changes."""

import json
import subprocess
import sys

from tesseract.priority import AUTOGROUP, PROMPT_NS, slice_ns

NOW = """
import json, os, subprocess, sys
from tesseract.priority import AUTOGROUP, be_prompt, give_way, slice_ns
def now():
    group = AUTOGROUP.read_text().split()[-1] if AUTOGROUP.exists() else ""
    return {"slice": slice_ns(), "nice": os.nice(0), "group": group}
"""
TELLS = f"""{NOW}
sys.stdin.read()
print(json.dumps(now()))
"""
ASKS = f"""{NOW}
TELLS = {TELLS!r}
def of_other():
    words = [sys.executable, "-c", TELLS]
    other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    give_way(5, other.pid)
    told, _ = other.communicate(b"now")
    give_way(5, other.pid)  # it has ended
    return json.loads(told)
def of_child():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps(now()).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reading, 4096))
give_way(0)
first = now()
taken = be_prompt()
prompt, child, other, after = now(), of_child(), of_other(), now()
give_way(5)
told = dict(first=first, taken=taken, prompt=prompt, child=child, other=other, after=after)
print(json.dumps(told | dict(way=now(), below=of_child())))
"""


def found() -> dict[str, dict[str, int | str]]:
    told = subprocess.run(
        [sys.executable, "-c", ASKS], capture_output=True, text=True, check=True, start_new_session=True
    )
    return dict(json.loads(told.stdout))


def test_a_prompt_thread_has_the_shortest_slice_where_the_kernel_knows_of_slices() -> None:
    answers = found()
    if answers["taken"] and answers["first"]["slice"]:
        assert answers["prompt"] == {**answers["first"], "slice": PROMPT_NS}
        assert answers["child"] == answers["prompt"], "it passes to those that it starts"
    else:
        assert answers["prompt"] == answers["first"]


def test_what_gives_way_is_nicer_in_its_session_and_as_a_session_and_not_prompt() -> None:
    answers = found()
    first, way = answers["first"], answers["way"]
    assert way["nice"] == int(first["nice"]) + 5
    assert way["slice"] == first["slice"]
    assert way["group"] == ("5" if AUTOGROUP.exists() else "")
    assert answers["below"] == way


def test_a_process_that_was_started_is_made_to_give_way_from_outside() -> None:
    answers = found()
    assert answers["other"] == answers["way"]
    assert answers["after"] == answers["prompt"], "who started it is what it was"


def test_asking_changes_nothing() -> None:
    assert slice_ns() == slice_ns()
