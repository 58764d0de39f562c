"""A loaded release: its sentences have places, its fingerprint its state, and its digests what it answered.

What a guest answers to calls stands in `test_host` and `test_hosts_alike`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from release_trees import CONTRACT, HEAD, Told, a_package, a_release, answer_of

from tesseract import InProcessHost
from tesseract.calls import Answer, Fault
from tesseract.guest import TRACEBACK_CHARACTERS_MAX, TRACEBACK_FRAMES_MAX, Guest, sentence_of

Hosted = Callable[..., InProcessHost]


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    """Hosts a package; closes it at the end."""
    hosts: list[InProcessHost] = []

    def host(body: str = "return Result(state, 'fine')", *, head: str = HEAD, **files: str) -> InProcessHost:
        package = {**a_package(body, head=head), **{f"{name}.py": source for name, source in files.items()}}
        hosts.append(InProcessHost(a_release(tmp_path, package, number=len(hosts) + 1), CONTRACT))
        return hosts[-1]

    yield host
    for each in hosts:
        each.close()


def raised_by(guest: Guest, given: object) -> Fault:
    fault = guest.call(given, guest.first_state()).fault
    assert fault is not None
    return fault


# Sentences


def test_an_error_is_told_in_one_line_with_the_innermost_place_in_live_code(hosted: Hosted) -> None:
    fair = "import json\ndef fair_of(text):\n    return json.loads(text)\n"
    host = hosted("return Result(state, fair.fair_of(given))", head=HEAD + "from strategy import fair\n", fair=fair)

    fault = raised_by(host.guest, "{")

    assert fault.line.startswith("strategy/fair.py:3 JSONDecodeError: Expecting property name")
    assert fault.line.endswith(": return json.loads(text)")
    assert "\n" not in fault.line


def test_an_error_that_no_line_of_live_code_raised_is_told_without_a_place(tmp_path: Path) -> None:
    try:
        msgspec.json.decode(b"{")
    except msgspec.DecodeError as error:
        assert sentence_of(error, tmp_path / "strategy") == "DecodeError: Input data was truncated"


def test_no_place_of_the_store_and_no_name_of_a_namespace_is_told(hosted: Hosted, tmp_path: Path) -> None:
    host = hosted("import strategy.nowhere")

    line = raised_by(host.guest, 1).line

    assert "No module named 'strategy.nowhere'" in line
    assert str(tmp_path) not in line
    assert "_release_" not in line


def test_only_for_a_module_of_others_the_advice_is_to_install_it(hosted: Hosted) -> None:
    theirs, own = hosted("import nowhere_at_all"), hosted("import strategy.nowhere")

    assert raised_by(theirs.guest, 1).line.endswith("; install the distribution that has it, and force the deploy")
    assert "install" not in raised_by(own.guest, 1).line


def test_a_syntax_error_of_a_text_that_live_code_compiles_is_told_where_it_does_so(hosted: Hosted) -> None:
    assert raised_by(hosted("eval('(')").guest, 1).line.startswith("strategy/__init__.py:19 SyntaxError")


# Tracebacks


def test_a_traceback_shows_the_releases_own_file_and_line(hosted: Hosted, tmp_path: Path) -> None:
    text = raised_by(hosted("1 / 0").guest, 1).text

    assert f'File "{tmp_path / "store"}' in text
    assert "line 19, in decide\n    1 / 0" in text


def test_of_a_deep_traceback_the_outermost_and_the_innermost_frames_are_told(hosted: Hosted) -> None:
    deep = "def down(depth):\n    return down(depth - 1) if depth else 1 / 0\n"

    text = raised_by(hosted("down(given)", head=HEAD + deep).guest, 300).text

    assert text.count("in down") <= TRACEBACK_FRAMES_MAX + 3
    assert "frames are left out]" in text
    assert "in decide" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert len(text) < TRACEBACK_CHARACTERS_MAX


# Inputs


def test_an_input_that_is_not_what_the_contract_says_is_a_fault_and_no_fault_of_the_release(tmp_path: Path) -> None:
    contract = msgspec.structs.replace(CONTRACT, given=int)
    host = InProcessHost(a_release(tmp_path, a_package("return Result(state, given)")), contract)

    good, bad = (
        host.guest.call_encoded(msgspec.msgpack.encode(given), host.loaded.first_state) for given in (1, "one")
    )

    assert good.fault is None
    assert bad.fault is not None
    assert bad.fault.text.startswith("the input is not what the contract says: Expected `int`, got `str`")
    assert [host.guest.is_input(msgspec.msgpack.encode(given)) for given in (1, "one")] == [True, False]
    host.close()


# Digests


def test_equal_answers_have_equal_digests_and_others_have_others(hosted: Hosted) -> None:
    host = hosted("return Result(State(state.seen + 1), given)")
    answers = [answer_of(host, given) for given in (1, 1, 2)]

    digests = [host.guest.digest_of(answer) for answer in answers]

    assert digests[0] == digests[1] != digests[2]
    assert {len(digest) for digest in digests} == {8}


def test_two_hosts_whose_answers_name_their_modules_have_equal_digests(hosted: Hosted) -> None:
    """However many hosts there have been: the number of the last one has as many digits as that of the first."""
    body = "return Result(state, [__name__, State.__module__, repr(State)])"
    digests = {host.guest.digest_of(answer_of(host, 1)) for host in [hosted(body) for _ in range(12)]}
    assert len(digests) == 1


def test_a_state_is_part_of_the_digest_and_a_fault_has_none(hosted: Hosted) -> None:
    guest = hosted().guest
    one, other = (Answer(Told(msgspec.Raw(state), 1), state, None, 1) for state in (b"\x01", b"\x02"))

    assert guest.digest_of(one) != guest.digest_of(other)
    assert guest.digest_of(Answer(None, None, Fault("raised", "oh"), 1)) == b"\0" * 8


# What it holds


def test_modules_have_the_names_that_their_source_uses(hosted: Hosted) -> None:
    host = hosted(head=HEAD + "from strategy import fair\n", fair="X = 1\n")

    assert sorted(host.guest.modules()) == ["strategy", "strategy.fair"]


def test_a_twin_of_the_same_release_has_modules_of_its_own(hosted: Hosted, tmp_path: Path) -> None:
    host = hosted()
    twin = InProcessHost(host.spec.release, CONTRACT)

    assert host.guest.modules()["strategy"] is not twin.guest.modules()["strategy"]
    twin.close()


def test_a_fingerprint_changes_with_what_a_module_holds_and_not_with_a_call(hosted: Hosted) -> None:
    host = hosted("if given: SEEN.append(given)\nreturn Result(state)", head=HEAD + "SEEN = []\n")
    before = host.guest.fingerprint()

    answer_of(host, 0)
    untouched = host.guest.fingerprint()
    answer_of(host, 1)

    assert untouched == before
    assert host.guest.fingerprint() != before
