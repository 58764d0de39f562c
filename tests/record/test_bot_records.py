"""A bot and its record: what is taken, what is told, and that a run goes on without it."""

import os
import time
from pathlib import Path

import polars as pl
import pytest

import foresight
from foresight import notebook
from foresight.cli.replaying_runs import run_folder
from foresight.errors import BotFolderRefused, RecordRefused
from foresight.notebook import EVALUATIONS, PRESENCE, TRADES
from foresight.record import recorder
from foresight.record.exact import replay_run
from foresight.record.reading import RunRecord
from foresight.record.retention import Retention
from foresight.record.rows import SCHEMA
from foresight.record.segments import SegmentWriter
from recorded import Written
from runtime.operated import Operated, a_new_bot


def set_up(home: Path, lines: str) -> Operated:
    """A bot with these lines at the end of its bot.toml, in place of what stands there of the record."""
    from foresight.bot_folder import init_bot

    init_bot(home / "bot")
    path = home / "bot/bot.toml"
    text = path.read_text()
    path.write_text(text.replace(text[text.index("[record]") : text.rindex("[secrets]")], lines + "\n"))
    return Operated(home / "bot")


def inputs_of(operated: Operated) -> int:
    return operated.bot.engine.seq


def test_the_clock_is_an_input_only_when_it_is_off_by_other_whole_milliseconds(operated: Operated) -> None:
    before = inputs_of(operated)
    for drift_ms in (0.4, -0.4, 0.0):
        operated.bot.check_clock(drift_ms)
    assert inputs_of(operated) == before
    for drift_ms in (0.6, 1.4, 700.2, 700.4, 0.1):
        operated.bot.check_clock(drift_ms)
    assert inputs_of(operated) == before + 3
    assert operated.bot.engine.desk.account.drift_ms == 0.0


class ToldTime:
    """Feeds, as far as the clock asks."""

    def __init__(self) -> None:
        self.offset_ms = 0.0
        self.is_told = True

    def clock_offset_ms(self) -> float:
        return self.offset_ms

    def clock_is_told(self) -> bool:
        return self.is_told


def test_a_step_of_the_walls_clock_stops_nothing_while_the_venues_agrees_with_ours(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = ToldTime()
    monkeypatch.setattr(operated.bot, "feeds", feeds)
    drift = operated.bot.engine.desk.account
    operated.bot.check_clock(3_600_000.0)
    assert drift.drift_ms == 0.0
    feeds.offset_ms = -700.0
    operated.bot.check_clock(3_600_000.0)
    assert drift.drift_ms == -700.0
    feeds.offset_ms, feeds.is_told = 0.0, False
    operated.bot.check_clock(3_600_000.0)
    assert drift.drift_ms == 3_600_000.0, "nobody says that ours is right"
    feeds.is_told = True
    operated.bot.check_clock(3_600_000.0)
    assert drift.drift_ms == 0.0
    monkeypatch.undo()


def test_the_journal_is_an_input_only_when_its_state_changes(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs_of(operated)
    operated.bot.check_journal()
    assert inputs_of(operated) == before
    with monkeypatch.context() as patched:
        patched.setattr(operated.bot.sink.journal_writer, "problem", lambda: "disk full")
        operated.bot.check_journal()
        operated.bot.check_journal()
    assert inputs_of(operated) == before + 1
    operated.bot.check_journal()
    assert inputs_of(operated) == before + 2
    assert operated.bot.engine.desk.account.has_journal


def test_without_a_record_nothing_of_it_is_written_and_the_run_cannot_be_replayed(tmp_path: Path) -> None:
    operated = set_up(tmp_path, "[record]\non = false")
    operated.begin()
    operated.bot.close()
    assert not operated.bot.folder.record.exists()
    data = foresight.open(operated.folder)
    assert data.evaluations().height > 0
    with pytest.raises(RecordRefused, match="has no record"):
        data.record()
    with pytest.raises(RecordRefused, match="this run has no record"):
        replay_run(operated.bot.folder.record / operated.bot.run.name, operated.bot.run / "journal.sqlite")


def test_a_record_that_cannot_be_written_is_a_problem_and_the_bot_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CLOSE_S", 0.5)
    with a_new_bot(tmp_path) as operated:
        operated.bot.folder.record.write_text("no folder")
        operated.begin()
        operated.run_for(60)
        until_s = time.monotonic() + 30
        while not operated.bot.problems() and time.monotonic() < until_s:
            operated.run_for(1)
            time.sleep(0.01)
        assert operated.bot.problems()[0].startswith("market data is not recorded: ")
        evaluations = operated.bot.engine.evaluations
        operated.run_for(10)
        assert operated.bot.engine.evaluations > evaluations
    assert "the end of the record is lost" in operated.notices()[-1]


def test_a_bot_that_runs_does_not_load_polars() -> None:
    import subprocess
    import sys

    code = "import sys, foresight, foresight.runtime.bot, foresight.cli; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Notebooks


def test_a_stopped_bot_is_opened_as_frames(everything: tuple[Path, str]) -> None:
    data = foresight.open(everything[0])
    assert data.runs() == ["0001-simulated"]
    record = data.record().collect()
    assert dict(record.schema) == SCHEMA
    assert record["seq"].is_sorted()
    assert set(record["kind"]) >= {"Listed", "Depth", "Spot", "Timer", "Reference", "Printed", "Resolved"}
    assert data.missing().height == 0
    evaluations = data.evaluations()
    assert evaluations.columns[: len(EVALUATIONS)] == list(EVALUATIONS)
    assert evaluations["evaluation_id"].n_unique() == evaluations.height
    assert evaluations.filter(pl.col("slot").is_null() | pl.col("due_ns").is_null()).height == 0
    assert set(evaluations["release"]) == {"v1", "v2"}
    assert "signal_momentum" in evaluations.columns
    proposed = evaluations.filter(proposal="enter")
    assert proposed.height > 0
    assert proposed["verdicts"].list.len().min() > 0
    trades = data.trades()
    assert trades.columns == list(TRADES)
    over = set(data.record("Resolved").collect()["market_id"])
    settled = trades.filter(pl.col("settled_by").is_not_null())
    assert settled.height > 0
    assert set(settled["market"]) <= over
    assert not over & set(trades.filter(state="open")["market"]), "of a market that is over no trade is open"
    assert set(trades["state"]) <= {"closed", "open"}
    presence = data.presence()
    assert presence.columns == list(PRESENCE)
    assert dict(presence.select("slot", "due").iter_rows())["btc-5m"] > 200


def test_a_kind_has_its_own_columns_and_only_its_rows(everything: tuple[Path, str]) -> None:
    data = foresight.open(everything[0])
    depth = data.record("Depth")
    assert depth.collect_schema().names() == ["seq", "at_ns", "token", "bids", "asks", "stamped_ns"]
    assert depth.collect().height == data.record().filter(pl.col("kind") == "Depth").collect().height
    with pytest.raises(RecordRefused, match="Foretold is no kind of the record; they are Listed, "):
        data.record("Foretold")


def test_a_bot_that_runs_is_opened_too_and_nothing_of_it_is_touched(operated: Operated) -> None:
    operated.run_for(30)
    operated.bot.sink.journal_writer.wait_for_disk()
    until_s = time.monotonic() + 30
    while not (operated.bot.folder.record / operated.bot.run.name).is_dir():
        assert time.monotonic() < until_s, "waited 30 s for the process that writes the record"
        time.sleep(0.01)
    data = foresight.open(str(operated.folder))
    before = sorted(path for path in operated.folder.rglob("*") if path.suffix != ".json")
    assert data.record().collect().height == 0
    assert data.trades().height == 0
    assert data.evaluations().height >= 0
    assert [path for path in before if not path.exists()] == []


def test_what_is_no_bot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BotFolderRefused, match=r"is no bot's folder: it has no bot\.toml"):
        foresight.open(tmp_path)


def test_a_run_that_is_not_there_is_refused_with_those_that_are(everything: tuple[Path, str]) -> None:
    with pytest.raises(BotFolderRefused, match=r"has no run 0009-live; its runs: 0001-simulated"):
        foresight.open(everything[0]).trades("0009-live")


def test_what_the_record_lacks_is_a_frame(written: Written, tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("")
    next(written.record.glob("*.parquet")).unlink()
    missing = foresight.open(tmp_path).missing()
    assert missing.height == 1
    assert missing["first_seq"][0] == 1
    assert "is missing" in missing["text"][0]


def a_bot_of(written: Written, home: Path) -> notebook.BotData:
    (home / "bot.toml").write_text("")
    return foresight.open(home)


def split_in(folder: Path, parts: int) -> list[Path]:
    """The same record in so many segments."""
    events = list(RunRecord(folder).events())
    for path in folder.iterdir():
        path.unlink()
    writer, size = SegmentWriter(folder), -(-len(events) // parts)
    for at in range(0, len(events), size):
        seqs, found = zip(*events[at : at + size], strict=True)
        writer.add(list(seqs), list(found), size=1)
        writer.close()
    return sorted(folder.glob("*.parquet"))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["flipped", "torn", "missing", "torn without a line"])
def test_a_frame_of_the_record_names_a_damaged_segment_and_gives_everything_else(
    written: Written, tmp_path: Path, damage: str
) -> None:
    data = a_bot_of(written, tmp_path)
    whole = data.record().collect()
    paths = split_in(written.record, 4)
    assert data.record().collect().equals(whole)
    first, after = (int(path.stem) for path in paths[1:3])
    if damage == "flipped":
        flip_a_bit(paths[1])
    elif damage == "missing":
        paths[1].unlink()
    else:
        os.truncate(paths[1], paths[1].stat().st_size // 2)
    if damage == "torn without a line":
        lines = (written.record / "index.jsonl").read_bytes().splitlines(keepends=True)
        (written.record / "index.jsonl").write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.warns(UserWarning, match=f"segment {paths[1]} .*; its inputs are left out") as told:
        left = data.record().collect()
    assert len(told) == 1
    assert left.equals(whole.filter((pl.col("seq") < first) | (pl.col("seq") >= after)))
    with pytest.warns(UserWarning, match="left out"):
        spots = data.record("Spot").select("seq", "price").collect()
    assert spots["seq"].to_list() == left.filter(kind="Spot")["seq"].to_list()


def test_a_frame_of_the_record_says_nothing_of_what_was_deleted_to_keep_its_limit(
    written: Written, tmp_path: Path
) -> None:
    data = a_bot_of(written, tmp_path)
    paths = split_in(written.record, 3)
    Retention(written.record.parent, sum(path.stat().st_size for path in paths) - 1).keep()
    assert data.record().collect()["seq"][0] == int(paths[1].stem)


def test_a_frame_of_the_record_takes_no_more_than_is_asked_for(written: Written, tmp_path: Path) -> None:
    data = a_bot_of(written, tmp_path)
    paths = split_in(written.record, 4)
    frame = data.record()
    rows = frame.collect()
    spots = rows.filter(kind="Spot")
    assert frame.filter(kind="Spot").head(3).collect().equals(spots.head(3))
    assert frame.head(300).filter(kind="Spot").collect().equals(rows.head(300).filter(kind="Spot"))
    assert frame.slice(rows.height - 10, 5).collect().equals(rows.slice(rows.height - 10, 5))
    assert frame.tail(5).collect().equals(rows.tail(5))
    assert frame.filter(pl.col("seq") < 0).collect().height == 0
    flip_a_bit(paths[-1])
    assert frame.head(5).collect().equals(rows.head(5)), "the last segment is not looked at"


def test_evaluations_are_the_same_however_many_are_taken_at_once(
    everything: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = foresight.open(everything[0])
    whole = data.evaluations()
    monkeypatch.setattr(notebook, "ANSWERS_AT_ONCE", 97)
    assert data.evaluations().equals(whole)


def test_the_newest_run_is_that_with_the_highest_number(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("")
    for run in ("10000-live", "9999-live", "0001-live"):
        for part in ("runs", "record"):
            (tmp_path / "data" / part / run).mkdir(parents=True)
        (tmp_path / "data/runs" / run / "journal.sqlite").touch()
    assert foresight.open(tmp_path).runs() == ["0001-live", "9999-live", "10000-live"]
    assert run_folder(tmp_path / "data/record", None).name == "10000-live"
