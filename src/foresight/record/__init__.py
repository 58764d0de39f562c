"""The record: every market input and timer as the engine consumed it, in Parquet files, and what is done with them.

Nothing here loads polars before it is needed: a running bot leaves the writing to a process of its own.
"""

from foresight.record.kinds import KINDS, RECORDED, Recorded
from foresight.record.recorder import Recorder

__all__ = ["KINDS", "RECORDED", "Recorded", "Recorder"]
