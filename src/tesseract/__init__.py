"""Tesseract: change the code of a running, stateful program without stopping it.

It knows nothing of markets. What stands in `__all__` is public; everything else may change.
"""

from tesseract.contract import Contract
from tesseract.errors import ReleaseRefused, TesseractError
from tesseract.host import Fault, InProcessHost
from tesseract.presence import Counts, Lateness, Presence, total
from tesseract.release import Release, read_tree, take_release, tree_digest
from tesseract.seam import Host, Outcome, Seam

__all__ = [
    "Contract",
    "Counts",
    "Fault",
    "Host",
    "InProcessHost",
    "Lateness",
    "Outcome",
    "Presence",
    "Release",
    "ReleaseRefused",
    "Seam",
    "TesseractError",
    "read_tree",
    "take_release",
    "total",
    "tree_digest",
]
