"""What Foresight and a strategy have agreed on: the contract by which the runtime judges and calls live code."""

from foresight.engine.answers import problem_of
from foresight.events import Answer
from foresight.strategy import View
from foresight.topics import problems_of
from tesseract import Contract

CONTRACT = Contract(
    entry="evaluate",
    given=View,
    answer=Answer,
    check=problem_of,
    compared=("proposal",),
    needs="NEEDS",
    needs_problems=problems_of,
)
PLACE = "foresight.contract:CONTRACT"
"""Where a host's process finds it."""
