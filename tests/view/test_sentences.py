"""Long sentences on narrow screens: the file and its line are read, whatever is left out."""

import re
from collections.abc import Iterator

import msgspec
import pytest
from running_bots import a_bot, lines_of

from foresight.effects import Notify
from foresight.runtime.bot import Bot
from foresight.runtime.deploys import CanaryDocument, ShadowDocument
from foresight.view.picture import Picture, Seen
from foresight.view.terminal import FRAME_BEGINS, FRAME_ENDS, Paper, draw
from foresight.view.writing import shortened, wrapped

EARLY = "v19 refused at stage: strategy/momentum.py:12 SyntaxError: '(' was never closed: oops(; v18 is still running"
LATE = (
    "v9 refused at rehearsal: 1 of 1 evaluations on recent markets failed: btc-5m: took longer than 400 ms and was"
    " interrupted at strategy/evaluate.py:35; v8 is still running"
)
SIZES = [(80, 24), (80, 40), (100, 30), (120, 40), (160, 45)]


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with a_bot(tmp_path_factory.mktemp("sentences"), minutes=2.1) as running:
        yield running


def seen_with(bot: Bot, **deploy: object) -> Seen:
    seen = draw(bot)._seen
    changed = msgspec.structs.replace(seen.status.deploy, **{"recent": "", **deploy})
    return msgspec.structs.replace(seen, status=msgspec.structs.replace(seen.status, deploy=changed))


def shown(seen: Seen, width: int, height: int) -> list[str]:
    return lines_of(Picture(seen, width=width, height=height), width=width, height=height)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("text", [EARLY, LATE])
def test_a_refusal_stands_in_the_header_with_its_file_and_line(bot: Bot, text: str, width: int, height: int) -> None:
    lines = shown(seen_with(bot, setback=text), width, height)
    head = " ".join(lines[:5])
    assert re.search(r"v\d+ refused at", head)
    assert re.search(r"strategy/\w+\.py:\d\d", head)
    assert len(lines) <= height
    assert "slots are not shown" not in "\n".join(lines)


def test_what_went_well_is_told_where_no_log_has_room(bot: Bot) -> None:
    seen = seen_with(bot, recent="v2 r1 is live; rehearsed")
    assert "v2 r1 is live; rehearsed" in shown(seen, 80, 24)[2]
    assert "v2 r1 is live; rehearsed" not in "\n".join(shown(seen, 80, 40))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_canary_and_a_shadow_are_shown_whole(bot: Bot, width: int, height: int) -> None:
    until_ns = bot.clock.now_ns()
    seen = seen_with(bot, canary=CanaryDocument("v20", ("btc-5m", "eth-5m")), shadow=ShadowDocument("v21", until_ns))
    text = "\n".join(shown(seen, width, height))
    assert "v20 canary" in text
    assert "on btc-5m, eth-5m" in text
    assert re.search(r"v21 shadow until \d\d:\d\d:\d\d", text)


@pytest.mark.parametrize(("width", "height"), SIZES[1:])
def test_the_newest_notice_is_told_in_full_and_an_older_one_keeps_its_place(bot: Bot, width: int, height: int) -> None:
    bot.sink.notices.append(Notify(bot.clock.now_ns(), "error", LATE))
    newest = " ".join(re.sub(r"[│\s]+", " ", "".join(shown(seen_with(bot), width, height))).split())
    bot.sink.notices.append(Notify(bot.clock.now_ns(), "info", "another"))
    older = "\n".join(shown(seen_with(bot), width, height))
    for _ in range(2):
        bot.sink.notices.pop()
    assert LATE in newest
    assert re.search(r"v9 refused.*strategy/evaluate\.py:35", older)


def test_a_sentence_is_shortened_from_what_matters_least() -> None:
    assert shortened(EARLY, len(EARLY)) == EARLY
    assert shortened(EARLY, len(EARLY) - 1) == EARLY.removesuffix("; v18 is still running")
    assert shortened(EARLY, 60) == "v19 refused at stage: strategy/momentum.py:12 SyntaxError: …"
    assert shortened(LATE, 80) == "v9 refused at rehearsal: 1 of 1 evaluations on recent … strategy/evaluate.py:35"
    assert shortened("no place " * 10, 20) == "no place no place n…"


@pytest.mark.parametrize("room", range(1, 170))
def test_a_shortened_sentence_fits(room: int) -> None:
    assert max(len(shortened(text, room)) for text in (EARLY, LATE)) <= room


def test_a_wrapped_sentence_breaks_between_words_and_has_so_many_lines() -> None:
    assert wrapped(EARLY, 60, 2) == [
        "v19 refused at stage: strategy/momentum.py:12 SyntaxError:",
        "'(' was never closed: oops(; v18 is still running",
    ]
    assert wrapped("", 60, 2) == []
    assert len(wrapped(LATE, 30, 3)) == 3
    assert "strategy/evaluate.py:35" in wrapped(LATE, 30, 3)[-1]


def test_a_frame_begins_and_ends_as_one_update_and_no_frame_is_nothing() -> None:
    paper = Paper("utf-8")
    paper.write("a picture")
    assert paper.take() == f"{FRAME_BEGINS}a picture{FRAME_ENDS}"
    assert paper.take() == ""
