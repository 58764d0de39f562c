"""Tesseract: change the code of a running, stateful program without stopping it.

It knows nothing of markets. What stands in `__all__` is public; everything else may change.
"""

from tesseract.calls import Answer, Fault, HostSpec, Loaded
from tesseract.carry import refold
from tesseract.contract import Contract
from tesseract.deploy_events import Event, Kept, NotDone, Notice, Shadowing, WentBack, WentLive
from tesseract.errors import HandoverNeeded, PeerGone, ReleaseRefused, RequestRefused, TesseractError
from tesseract.host import Host, InProcessHost
from tesseract.orders import Workplace
from tesseract.outcomes import Outcome
from tesseract.params import Tuned, flat, tuned
from tesseract.presence import Counts, Lateness, Presence, total
from tesseract.priority import give_way
from tesseract.release import Release, read_tree, take_release, tree_digest
from tesseract.round_trips import RoundTripTimes
from tesseract.runtime import Request, Runtime
from tesseract.seam import Seam
from tesseract.shadow import ShadowInput
from tesseract.staging import Report, Rules, Strategy
from tesseract.store import Entry, ReleaseStore
from tesseract.tape import Tape

__all__ = [
    "Answer",
    "Contract",
    "Counts",
    "Entry",
    "Event",
    "Fault",
    "HandoverNeeded",
    "Host",
    "HostSpec",
    "InProcessHost",
    "Kept",
    "Lateness",
    "Loaded",
    "NotDone",
    "Notice",
    "Outcome",
    "PeerGone",
    "Presence",
    "Release",
    "ReleaseRefused",
    "ReleaseStore",
    "Report",
    "Request",
    "RequestRefused",
    "RoundTripTimes",
    "Rules",
    "Runtime",
    "Seam",
    "ShadowInput",
    "Shadowing",
    "Strategy",
    "Tape",
    "TesseractError",
    "Tuned",
    "WentBack",
    "WentLive",
    "Workplace",
    "flat",
    "give_way",
    "read_tree",
    "refold",
    "take_release",
    "total",
    "tree_digest",
    "tuned",
]
