"""The doctor: each check's verdict on both sides of its limits, and that it answers for any folder."""

import re
import shutil
import socket
from pathlib import Path

import msgspec
import pytest

from foresight import doctor
from foresight.bot_folder import init_bot
from foresight.doctor import GIGABYTE, MEGABYTE, Check, checks, reachability_check, secrets_check
from foresight.feeds.endpoints import local
from foresight.secrets import ORACLE_SECRETS

NAMES = ["config", "secrets", "strategy", "python", "clock", "clock_sync", "disk_space", "disk_write", "ports"]


def by_name(found: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_a_new_bot_folder_is_healthy_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    init_bot(tmp_path)
    (tmp_path / "strategy").mkdir(exist_ok=True)
    (tmp_path / "strategy" / "__init__.py").touch()
    before = sorted(tmp_path.rglob("*"))
    found = checks(tmp_path)
    assert [check.name for check in found] == [*NAMES, "reachability", "file_handles"]
    assert {name: check.status for name, check in by_name(found).items() if check.status == "fail"} == {}
    assert all(check.found and check.advice for check in found)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_folder_is_told_by_each_check_that_needs_it(tmp_path: Path) -> None:
    found = by_name(checks(tmp_path / "absent"))
    failed = {name for name, check in found.items() if check.status == "fail"}
    assert failed == {"config", "strategy", "disk_space", "disk_write"}
    assert "foresight init" in found["config"].found
    assert not (tmp_path / "absent").exists()


def test_every_problem_of_the_configuration_is_a_check_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("[paper]\ndeposit_usd = -1\n[venue]\nseed = -1\n")
    assert [check.status for check in checks(tmp_path) if check.name == "config"] == ["fail", "fail"]


def test_a_secret_that_cannot_be_taken_fails_without_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bot.toml").touch()
    monkeypatch.setenv("FORESIGHT_SECRET_1X", "swordfish")
    check = by_name(checks(tmp_path))["secrets"]
    assert check.status == "fail"
    assert "swordfish" not in str(check)


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (doctor.python_check((3, 10, 9)), "fail"),
        (doctor.python_check((3, 11, 0)), "ok"),
        (doctor.clock_check(5.0), "ok"),
        (doctor.clock_check(-5.1), "warn"),
        (doctor.clock_sync_check("yes"), "ok"),
        (doctor.clock_sync_check("no"), "warn"),
        (doctor.clock_sync_check("unknown"), "warn"),
        (doctor.space_check(100 * MEGABYTE - 1, Path()), "fail"),
        (doctor.space_check(100 * MEGABYTE, Path()), "warn"),
        (doctor.space_check(7 * 302 * MEGABYTE - 1, Path()), "warn"),
        (doctor.space_check(7 * 302 * MEGABYTE, Path()), "ok"),
        (doctor.space_check(7 * 302 * MEGABYTE + 9, Path(), record_bytes=10), "warn"),
        (doctor.space_check(7 * 302 * MEGABYTE + 10, Path(), record_bytes=10), "ok"),
        (doctor.handles_check(63), "fail"),
        (doctor.handles_check(64), "warn"),
        (doctor.handles_check(256), "ok"),
        (doctor.handles_check(-1), "ok"),
    ],
)
def test_a_verdict_on_both_sides_of_its_limit(check: Check, status: str) -> None:
    assert check.status == status
    assert (check.advice == doctor.NOTHING) == (status == "ok")


@pytest.mark.parametrize(
    ("toml", "there_bytes", "week_bytes"),
    [
        ("", 0, 7 * 2_700 * MEGABYTE),
        ("", 19 * GIGABYTE, GIGABYTE),
        ("", 21 * GIGABYTE, 0),
        ('[venue]\nsource = "simulated"\n', 0, 7 * 132 * MEGABYTE),
        ("[record]\nkeep_gb = 1\n", 0, GIGABYTE),
        ("[record]\non = false\n", 0, 0),
        ("[record]\nkeep_gb = -1\n", 0, 0),
    ],
)
def test_the_room_of_a_week_counts_the_record_up_to_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, there_bytes: int, week_bytes: int
) -> None:
    (tmp_path / "bot.toml").write_text(toml)
    segment = tmp_path / "data/record/0001-local/000000000001.parquet"
    segment.parent.mkdir(parents=True)
    with segment.open("wb") as file:
        file.truncate(there_bytes)
    free = doctor.DISK_WARN_BYTES + week_bytes
    for free_bytes, status in ((free, "ok"), (free - 1, "warn")):
        usage = shutil.disk_usage(tmp_path)._replace(free=free_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert by_name(checks(tmp_path))["disk_space"].status == status


def test_a_week_of_journal_and_record_is_told_in_figures() -> None:
    assert doctor.space_check(10**9, Path("bot")) == Check(
        "disk_space",
        "warn",
        "1,000 MB are free at bot",
        "have 2.1 GB free, a week of it: journal and ledger of sixteen slots grow by 302 MB a day, and never shrink",
    )
    told = doctor.space_check(10**10, Path(), record_bytes=doctor.RECORD_DAY_BYTES["local"] * 7).advice
    assert "in a week the record takes 18.9 GB" in told


@pytest.mark.parametrize(
    ("source", "found", "status", "says"),
    [
        ("local", (), "ok", "0 found; a venue on this machine needs none"),
        ("simulated", ("spare",), "ok", "1 found"),
        ("polymarket", ORACLE_SECRETS, "ok", "3 found, those of the oracle among them"),
        ("polymarket", ORACLE_SECRETS[:2], "warn", "polymarket_passphrase missing: the bot goes without the oracle"),
    ],
)
def test_secrets_are_missed_only_where_a_venue_wants_them(
    source: str, found: tuple[str, ...], status: str, says: str
) -> None:
    check = secrets_check(source, found)
    assert (check.status, check.found[: len(says)]) == (status, says)


def test_every_host_of_a_venue_is_tried_and_those_that_refuse_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_host, socket.create_server(("127.0.0.1", 0)) as closed:
        there, absent = open_host.getsockname()[1], closed.getsockname()[1]
        closed.close()
        assert reachability_check(local(f"http://127.0.0.1:{there}")).found == "1 hosts take connections"
        mixed = msgspec.structs.replace(local(f"http://127.0.0.1:{there}"), rtds=f"ws://127.0.0.1:{absent}/ws")
        check = reachability_check(mixed)
    assert check.status == "fail"
    assert check.found == f"1 of 2 hosts: 127.0.0.1:{absent} Connection refused"


def test_the_venue_that_the_bot_is_to_join_is_tried(tmp_path: Path) -> None:
    init_bot(tmp_path)
    assert by_name(checks(tmp_path))["reachability"].found.startswith("the source is local: nothing outside")
    with socket.create_server(("127.0.0.1", 0)) as venue:
        address = f"http://127.0.0.1:{venue.getsockname()[1]}"
        file = tmp_path / "bot.toml"
        text, count = re.subn(r'(?m)^address = ""', f'address = "{address}"', file.read_text())
        assert count == 1
        file.write_text(text)
        assert by_name(checks(tmp_path))["reachability"].status == "ok"
    assert by_name(checks(tmp_path))["reachability"].status == "fail"
