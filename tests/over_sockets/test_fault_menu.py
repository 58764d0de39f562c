"""Every fault of the local venue's menu has a test, and docs/feeds.md says what the bot does."""

import re
from pathlib import Path

import pytest

from foresight.venue.faults import GARBAGE, MENU
from over_sockets.test_faults_of_reads import READS
from over_sockets.test_faults_of_sockets import BINANCE, CLOB, HOSTILE, ORACLE, SHUTDOWN, hostile

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "feeds.md").read_text()
SWITCHED = re.compile(r'(?:fault="|switch_on\(run, "|\(")([a-z0-9_]+)"')


def test_every_fault_of_the_menu_has_a_test() -> None:
    tables = (*BINANCE, SHUTDOWN, *CLOB, *ORACLE, *READS, *map(hostile, HOSTILE))
    of_tables = {each.fault for case in tables for each in (case, *case.beside)}
    of_data = set(SWITCHED.findall((HERE / "test_faults_of_data.py").read_text()))
    assert {fault.name for fault in MENU} - of_tables - of_data == set()
    assert of_tables <= {fault.name for fault in MENU}


@pytest.mark.parametrize("target", HOSTILE)
def test_every_kind_of_hostile_frame_is_sent_on_every_channel(target: str) -> None:
    case = hostile(target)
    assert {each.parameters["kind"] for each in (case, *case.beside)} == set(GARBAGE)


def test_the_page_says_of_every_fault_what_the_bot_does() -> None:
    section = PAGE.partition("## The fault menu")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9_]+)`", section, re.MULTILINE)
    assert rows == [fault.name for fault in MENU]
