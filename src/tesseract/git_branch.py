"""Following a branch: the newest commit's live code, read from git's objects; no work tree is touched.

A repository in a folder is read where it is. Any other is a URL (`file://` included), of which a bare mirror with this
one branch is kept below `work` and fetched at every poll. A branch that was rewritten is a branch with another head.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tesseract.errors import ReleaseRefused
from tesseract.git_command import GitRefused, git
from tesseract.git_files import files_of

WAITING_MAX = 10_000
"""Commits that are counted; a branch further ahead than that is shown as this far ahead."""

__all__ = ["Commit", "CommitSnapshot", "GitBranch", "GitProblem", "GitRefused", "Waiting", "commits"]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit. `at_ns` is the time its committer gave it, since the epoch."""

    sha: str
    author: str
    subject: str
    at_ns: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What the branch holds that does not run yet: how many commits that touch the live code, the time the oldest of
    them was committed, and the time it was first seen here. Both are None when nothing waits."""

    head: Commit
    commits: int
    oldest_at_ns: int | None
    first_seen_ns: int | None


class CommitSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest commit and its live code. `skipped` counts the commits between it and the one told before."""

    commit: Commit
    files: dict[str, bytes]
    skipped: int


class GitProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why the branch cannot be followed now, as a sentence. Following goes on."""

    text: str


class GitBranch:
    """One branch of one repository, and in it the folder with the live code (`subfolder`, empty for all of it).

    `work` is a folder of this branch's own. Raises `GitRefused` for a repository that is neither a folder nor a URL,
    and for an impossible branch name.
    """

    def __init__(self, repository: str, branch: str, *, subfolder: str, work: Path) -> None:
        self.repository = repository
        self.branch = branch
        self.subfolder = "" if subfolder in ("", ".") else subfolder.strip("/")
        self._is_remote = not Path(repository).is_dir()
        self._folder = work / "mirror.git" if self._is_remote else Path(repository)
        self._seen: dict[str, int] = {}
        if self._is_remote and (repository.startswith("-") or ":" not in repository):
            raise GitRefused(repository, "it is neither a folder nor a URL")
        git(Path("/"), "check-ref-format", f"refs/heads/{branch}", doing=f"the branch name {branch!r}")

    def head(self) -> Commit:
        """The newest commit, fetched first when the repository is remote."""
        self._refresh()
        return self._commit(f"refs/heads/{self.branch}", f"the branch {self.branch} of {self.repository}")

    def resolve(self, rev: str) -> Commit:
        """The commit that a person names. Of a remote repository only this branch's commits are known."""
        self._refresh()
        return self._commit(rev, f"{rev!r} in {self.repository}")

    def files(self, commit: str) -> dict[str, bytes]:
        """The live code of that commit as `read_tree` gives that of a folder: the same files, limits and refusals."""
        return files_of(self._folder, commit, self.subfolder)

    def poll(self, *, ahead_of: str, now_ns: int) -> Waiting:
        """What waits, given the commit that runs. When that is empty or unknown to the repository, the head waits."""
        head = self.head()
        waiting = self._waiting(head, ahead_of)
        self._seen = {sha: self._seen.get(sha, now_ns) for sha in waiting}
        oldest = self._commit(waiting[-1], "the oldest commit that waits") if waiting else None
        return Waiting(
            head=head,
            commits=len(waiting),
            oldest_at_ns=oldest.at_ns if oldest else None,
            first_seen_ns=min(self._seen.values(), default=None),
        )

    def commits_between(self, old: str, new: str) -> int:
        """How many commits lie after `old` up to and with `new`; 1 when `old` is not known any more."""
        if not old or not self._knows(old):
            return 1
        counted = git(self._folder, "rev-list", "--count", new, f"^{old}", doing=f"counting commits of {self.branch}")
        return int(counted)

    def _waiting(self, head: Commit, live: str) -> list[str]:
        """The commits that wait, newest first. A branch that was set back has one to go to: its head."""
        if not live or not self._knows(live):
            return [head.sha]
        if live == head.sha or self._tree(live) == self._tree(head.sha):
            return []
        where = ("--", self.subfolder) if self.subfolder else ()
        listed = git(
            self._folder,
            "rev-list",
            f"--max-count={WAITING_MAX}",
            head.sha,
            f"^{live}",
            *where,
            doing=f"listing commits of {self.branch}",
        )
        return listed.decode().split() or [head.sha]

    def _knows(self, rev: str) -> bool:
        try:
            self._sha(rev, "looking for it")
        except GitRefused:
            return False
        return True

    def _tree(self, sha: str) -> bytes:
        try:
            return git(self._folder, "rev-parse", "--verify", "--end-of-options", f"{sha}:{self.subfolder}", doing=sha)
        except GitRefused:
            return b""

    def _sha(self, rev: str, doing: str) -> str:
        words = ("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}")
        try:
            return git(self._folder, *words, doing=doing).decode().strip()
        except GitRefused as refused:
            if refused.reason == "fatal: Needed a single revision":  # how git says it
                raise GitRefused(doing, "there is no such commit") from None
            raise

    def _commit(self, rev: str, doing: str) -> Commit:
        form = "--format=%an%x00%s%x00%ct"
        sha = self._sha(rev, doing)
        said = git(
            self._folder, "log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", form, sha, doing=doing
        )
        author, subject, seconds = said.decode(errors="replace").rstrip("\n").split("\0")
        return Commit(sha=sha, author=author, subject=subject, at_ns=int(seconds) * 10**9)

    def _refresh(self) -> None:
        if not self._is_remote:
            return
        if not (self._folder / "HEAD").exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            git(self._folder, "init", "--quiet", "--bare", "--template=", ".", doing=f"a mirror in {self._folder}")
        ref = f"refs/heads/{self.branch}"
        options = ("--quiet", "--no-tags", "--no-auto-maintenance", "--no-recurse-submodules", "--no-write-fetch-head")
        words = ("fetch", *options, "--end-of-options", self.repository, f"+{ref}:{ref}")
        git(self._folder, *words, doing=f"fetching {self.branch} of {self.repository}")


def commits(
    branch: GitBranch, *, stop: threading.Event, poll_s: float = 1.0, known: str = ""
) -> Iterator[CommitSnapshot | GitProblem]:
    """Blocks, and yields the newest commit whenever the head is another than `known`, until `stop` is set.

    A problem is yielded once, not at each poll. A commit whose live code is refused is told and not tried again.
    """
    problem = ""
    while not stop.is_set():
        began = time.monotonic()
        news, known = _newest(branch, known)
        if isinstance(news, CommitSnapshot) or (news and news.text != problem):
            yield news
        problem = news.text if isinstance(news, GitProblem) else ""
        stop.wait(max(0.0, poll_s - (time.monotonic() - began)))


def _newest(branch: GitBranch, known: str) -> tuple[CommitSnapshot | GitProblem | None, str]:
    """What there is to tell, and the commit that is known afterwards."""
    try:
        head = branch.head()
        if head.sha == known:
            return None, known
        skipped = max(0, branch.commits_between(known, head.sha) - 1)
        return CommitSnapshot(commit=head, files=branch.files(head.sha), skipped=skipped), head.sha
    except ReleaseRefused as refused:
        return GitProblem(text=str(refused)), head.sha
    except GitRefused as refused:
        return GitProblem(text=refused.to_a_follower), known
