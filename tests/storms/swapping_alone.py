"""Hayden's test to its end: a single change at each event of a recorded run, each in a run of its own.

The run is forked before every step. The fork changes, and runs on until every slot has answered often enough that all
of what the change has moved was used; then its fingerprint must be the one of the run without. The process that is
forked is the run without: it is compared at every step, too.
"""

import os
import warnings
from pathlib import Path

import msgspec

from foresight.runtime.bot import Bot
from storms.bots import a_lockstep_bot, step
from storms.swapping import ROUNDS_AFTER, Changer, Kept, Recorder, a_counting_bot_folder, unchanged

STEPS_AFTER_MAX = 3_000
"""A slot without a window does not answer; after so many steps the fork compares all the same."""


class Alone(msgspec.Struct, frozen=True):
    """How many steps the run has, at how many of them it was changed, and where that made a difference."""

    steps: int
    changed: int
    differing: list[int]


def each_step_alone(home: Path, source: Kept, *, every: int = 1) -> Alone:
    """Changes before every step, or every so many."""
    without = unchanged(home / "without", source)
    differing = []
    changed = number = 0
    with a_lockstep_bot(a_counting_bot_folder(home / "with"), source) as bot:
        recorder, changer = Recorder(bot), Changer(bot)
        while bot.session.next_ns() is not None:
            assert recorder.fingerprint() == without.prints[number], "the run itself repeats itself"
            if number % every == 0:
                changed += 1
                if not _is_same_after_a_change(bot, recorder, changer, without.prints[number:]):
                    differing.append(number)
            step(bot)
            number += 1
        changer.close()
    return Alone(number, changed, differing)


def _is_same_after_a_change(bot: Bot, recorder: Recorder, changer: Changer, prints: list[bytes]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the journal's thread is not needed in the fork
        child = os.fork()
    if child == 0:
        code = 2
        try:
            changer.commit()
            steps = _run_on(bot, recorder, min(STEPS_AFTER_MAX, len(prints) - 1))
            code = int(recorder.fingerprint() != prints[steps])
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def _run_on(bot: Bot, recorder: Recorder, steps_max: int) -> int:
    """Steps until every slot has answered often enough; returns how many they were."""
    before, keys = dict(recorder.count), bot.live.runtime.seam.routes
    for steps in range(steps_max):
        answered = [recorder.count.get(key, 0) - before.get(key, 0) for key in keys]
        if answered and min(answered) >= ROUNDS_AFTER:
            return steps
        step(bot)
    return steps_max
