"""Releases for storms: the shipped strategy with a mark of its own, and ways to be bad.

A storm's release is the strategy that ships with another `__init__.py`. Every answer of it carries its mark among the
signals, so that it can be proved that who is named as the one who decided is who did.
"""

from collections.abc import Mapping
from pathlib import Path

MARK = "made_by"

GOOD = '''"""A release of a storm."""

import msgspec

from foresight.strategy import Enter, micros

from . import evaluate as shipped
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]
NOBODY_SELLS = Enter("UP", 10_000, 1_000_000)


def evaluate(view, state, params):
    if view.now_ns >= {from_ns}:
        state = bad(view, state) or state
    done = shipped.evaluate(view, state, params)
    done = msgspec.structs.replace(done, signals={{**done.signals, "made_by": {mark}.0}}, verdicts=())
    done = msgspec.structs.replace(done, proposal=tempting(view, "{side}"))
    return done if view.now_ns < {from_ns} else worse(done)


def tempting(view, side):
    ask = view.book(side).ask
    return None if ask is None else Enter(side, micros(min(ask + view.tick, 1 - view.tick)), 2_000_000)


def bad(view, state):
    {bad}


def worse(done):
    return {worse}
'''
"""Every release wants to buy at every look, whatever it holds: that each order is sent once is for others to see to."""

AT_STAGE: Mapping[str, str] = {
    "syntax_error": "def evaluate(:\n",
    "raises_at_import": "1 / 0\n",
    "import_that_is_missing": "import no_such_module_of_a_storm\n",
    "no_contract": "Params = State = evaluate = None\n",
    "os_exit_at_import": "import os\nos._exit(3)\n",
}
"""Whole `__init__.py` files that cannot go live."""

IN_EVALUATE: Mapping[str, tuple[str, str]] = {
    "raises": ("raise ValueError(view.slot)", "done"),
    "endless_loop": ("while True: pass", "done"),
    "os_exit": ("import os; os._exit(3)", "done"),
    "wrong_type": ("return None", "'nonsense'"),
    "memory_bomb": ("[bytearray(1 << 20) for _ in range(1 << 20)]", "done"),
    "sleeps": ("import time; time.sleep(30)", "done"),
    "nan": ("return None", "msgspec.structs.replace(done, fair=float('nan'))"),
    "recursion": ("bad(view, state)", "done"),
    "aborts": ("import os; os.abort()", "done"),
    "state_that_is_none": ("return None", "msgspec.structs.replace(done, state=None)"),
    "huge_state": ("return None", "msgspec.structs.replace(done, state=State(market='x' * 100_000))"),
    "order_storm": ("return None", "msgspec.structs.replace(done, proposal=NOBODY_SELLS)"),
}
"""What `bad` does, and what is answered, from a moment of the market's time on."""

BAD = (*IN_EVALUATE, *AT_STAGE)


def write_release(tree: Path, mark: int, *, kind: str = "good", from_ns: int = 0) -> None:
    """Makes the live folder a release with this mark. One that is bad in `evaluate` is so from `from_ns` on."""
    if kind in AT_STAGE:
        source = AT_STAGE[kind] + f"MARK = {mark}\n"
    else:
        bad, worse = IN_EVALUATE.get(kind, ("return None", "done"))
        side = "UP" if mark % 2 else "DOWN"
        source = GOOD.format(from_ns=from_ns, mark=mark, side=side, bad=bad, worse=worse)
    staging = tree / "__init__.py.tmp"
    staging.write_text(source)
    staging.replace(tree / "__init__.py")
