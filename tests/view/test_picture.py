"""The live picture on windows of every size: what must be seen is whole, and what is left out is told."""

from collections.abc import Iterator

import msgspec
import pytest
from running_bots import a_bot, lines_of

from foresight.effects import Notify
from foresight.runtime.bot import Bot
from foresight.runtime.documents import SlotDocument
from foresight.view.picture import WIDE_COLUMNS, WIDE_ROWS, Picture
from foresight.view.tables import slots_table
from foresight.view.terminal import draw

SIZES = [(80, 24), (100, 30), (120, 40), (140, 45)]
ALWAYS = {"slot", "left", "ask", "fair", "position", "state"}


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with a_bot(tmp_path_factory.mktemp("picture"), minutes=8.3) as running:
        yield running


def picture_of(bot: Bot, width: int, height: int) -> list[str]:
    return lines_of(draw(bot, width=width, height=height), width=width, height=height)


def shown_slots(bot: Bot, lines: list[str]) -> list[str]:
    return [slot.slot for slot in bot.report().slots if any(line.startswith(f"{slot.slot} ") for line in lines)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_picture_fits_and_shows_every_slot_money_and_presence(bot: Bot, width: int, height: int) -> None:
    lines = picture_of(bot, width, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert len(shown_slots(bot, lines)) == 16
    btc = next(line for line in lines if line.startswith("btc-15m "))
    fair = next(slot.fair for slot in bot.report().slots if slot.slot == "btc-15m")
    assert fair is not None
    assert f"{fair:.3f}".rstrip("0") in btc
    assert not [word for word in ("P&L", "presence", "positions", "SIMULATED") if word not in text]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_cell_of_a_slot_is_cut(bot: Bot, width: int, height: int) -> None:
    lines = picture_of(bot, width, height)
    first = next(number for number, line in enumerate(lines) if line.startswith("slot "))
    assert set(lines[first].split()) >= ALWAYS
    assert not [line for line in lines[first : first + 18] if "…" in line]


def test_a_window_of_24_rows_has_no_log_and_a_higher_one_has_the_newest_notices(bot: Bot) -> None:
    newest = bot.sink.notices[-1].text
    assert newest not in "\n".join(picture_of(bot, 80, 24))
    for width, height in SIZES[1:]:
        assert newest in "\n".join(picture_of(bot, width, height))


@pytest.mark.parametrize("height", [8, 10, 12, 16, 20])
@pytest.mark.parametrize("width", [80, 150])
def test_a_low_window_tells_how_many_slots_it_leaves_out_and_keeps_those_with_a_position(
    bot: Bot, width: int, height: int
) -> None:
    lines = picture_of(bot, width, height)
    held = [slot.slot for slot in bot.report().slots if slot.position is not None]
    shown = shown_slots(bot, lines)
    assert held
    assert len(lines) <= height
    assert f"{16 - len(shown)} of 16 slots are not shown" in "\n".join(lines)
    assert set(held[: len(shown)]) <= set(shown)


def test_the_panels_stand_beside_the_slots_from_the_width_and_height_on_that_they_need(bot: Bot) -> None:
    assert "╭─ money" in "\n".join(picture_of(bot, WIDE_COLUMNS, WIDE_ROWS))
    assert "╭─ money" not in "\n".join(picture_of(bot, WIDE_COLUMNS - 1, WIDE_ROWS))
    assert "╭─ money" not in "\n".join(picture_of(bot, WIDE_COLUMNS, WIDE_ROWS - 1))


def test_without_limits_the_picture_is_as_wide_as_the_console_and_whole(bot: Bot) -> None:
    lines = lines_of(draw(bot), width=150, height=10)
    assert len(shown_slots(bot, lines)) == 16
    assert max(map(len, lines)) == 150


def test_the_least_important_columns_go_first(bot: Bot) -> None:
    slots = draw(bot)._seen.status.slots
    headers = [[str(column.header) for column in slots_table(slots, width).columns] for width in (80, 72, 60, 50, 20)]
    assert [9 - len(names) for names in headers] == [0, 1, 2, 3, 3]
    assert "underlying" not in headers[1]
    assert "move" not in headers[2]
    assert "UP bid" not in headers[3]


def test_a_long_state_takes_the_room_of_other_columns(bot: Bot) -> None:
    slots: list[SlotDocument] = draw(bot)._seen.status.slots
    blind = msgspec.structs.replace(slots[0], state="blind: book, underlying")
    lines = lines_of(slots_table([blind, *slots[1:]], 80), width=80)
    assert "blind: book, underlying" in "\n".join(lines)
    assert "…" not in "\n".join(lines)


def test_problems_stand_above_the_slots_and_take_rows_from_them(bot: Bot) -> None:
    seen = draw(bot)._seen
    status = msgspec.structs.replace(seen.status, problems=["a problem of [/x] " + "so many words " * 10], halted=True)
    lines = lines_of(Picture(msgspec.structs.replace(seen, status=status), width=80, height=24), width=80)
    assert "a problem of [/x] so many" in "\n".join(lines)
    assert "entries are halted" in "\n".join(lines)
    assert "slots are not shown" in "\n".join(lines)
    assert len(lines) <= 24


def test_many_positions_leave_the_picture_in_its_window(bot: Bot) -> None:
    seen = draw(bot)._seen
    many = msgspec.structs.replace(seen.report, positions=seen.report.positions[:1] * 14)
    for width, height in [*SIZES, (140, 22)]:
        picture = Picture(msgspec.structs.replace(seen, report=many), width=width, height=height)
        lines = lines_of(picture, width=width, height=height)
        assert len(lines) <= height
        assert "positions 14" in "\n".join(lines)


def test_a_notice_with_markup_escapes_and_line_ends_is_one_plain_line(bot: Bot) -> None:
    bot.sink.notices.append(Notify(bot.clock.now_ns(), "warning", "said [/x] and\n\x1b[2J[bold]more"))
    lines = picture_of(bot, 100, 30)
    bot.sink.notices.pop()
    assert any("said [/x] and  [2J[bold]more" in line for line in lines)
    assert len(lines) <= 30
