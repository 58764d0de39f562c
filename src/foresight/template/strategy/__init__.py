"""The live code of this bot. Edit any file in this folder; the rest of the bot is not touched by it.

The bot looks for three names here: `Params`, `State` and `evaluate`.
"""

from .evaluate import evaluate
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]
