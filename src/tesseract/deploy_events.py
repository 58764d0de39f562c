"""What happens to releases, as the program is told of it. Every event has a `text`: the sentence for people."""

import msgspec

from tesseract.release import Release
from tesseract.staging import Report


class WentLive(msgspec.Struct, frozen=True, kw_only=True):
    """A commit. `keys` are empty for every key of the `strategies`; `saved_ns` is the monotonic time of the save behind
    it, 0 for none; `needs` are what the release needs besides its input."""

    request: str
    release: Release
    revision: int
    params: dict[str, object]
    strategies: tuple[str, ...]
    keys: tuple[str, ...]
    replaced: str
    report: Report
    saved_ns: int
    needs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        where = f" for {', '.join(self.keys)}" if self.keys else ""
        return f"{self.release.name} r{self.revision} is live{where}; {self.report.sentence()}"


class Kept(msgspec.Struct, frozen=True):
    """A release has proved itself; `by` is `probation` or a person."""

    request: str
    release: Release
    revision: int
    by: str

    @property
    def text(self) -> str:
        return f"{self.release.name} r{self.revision} is kept by {self.by}"


class WentBack(msgspec.Struct, frozen=True):
    """A release was taken back, by a tripwire or by a person; `to` answers again, from the very request that failed.
    `line` says why in one line, `details` are all that is known (a traceback), and `needs` what `to` needs besides its
    input."""

    request: str
    release: Release
    revision: int
    to: Release
    to_revision: int
    line: str
    details: str
    needs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{self.release.name} r{self.revision} was rolled back: {self.line}; {self.to.name} is running"


class NotDone(msgspec.Struct, frozen=True):
    """A request that changed nothing, with the whole sentence. `is_refused` is False where there was nothing to do.
    `release` is its name, once it has one; a release that is refused at the step `snapshot` is barred, and can be
    forced."""

    request: str
    text: str
    is_refused: bool
    release: str = ""
    step: str = ""


class Shadowing(msgspec.Struct, frozen=True):
    """A candidate is asked everything from now on, for information; the request's last word comes when it ends. `what`
    says for how long, and what its rehearsal found."""

    request: str
    release: Release
    what: str

    @property
    def text(self) -> str:
        return f"{self.release.name} is {self.what}"


class Notice(msgspec.Struct, frozen=True):
    """Something to know, of no request."""

    text: str


Event = WentLive | Kept | WentBack | NotDone | Shadowing | Notice
