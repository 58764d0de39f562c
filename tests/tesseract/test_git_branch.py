"""Following a branch: real repositories, in folders and behind URLs; no work tree is touched."""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest
from release_trees import CONTRACT, a_tree

from tesseract import ReleaseRefused, TesseractError, git_command, read_tree
from tesseract.git_branch import CommitSnapshot, GitBranch, GitProblem, commits
from tesseract.git_command import GitRefused, git
from tesseract.openers import InProcessOpener
from tesseract.orders import Refused, Take, Workplace
from tesseract.staging import Strategy
from tesseract.workshop import Workshop

FILES = {"__init__.py": "from .a import x\n", "a.py": "x = 1\n", "tables/weights.json": "[1, 2]"}
IDENTITY = ("-c", "user.name=a person", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always")
MINUTE_NS = 60 * 10**9


class Repository:
    """A work tree with the live code in `strategy`. Its commits lie one minute apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        folder.mkdir(parents=True)
        self.run("init", "--initial-branch=main")

    def run(self, *words: str) -> str:
        at = f"{1_700_000_000 + 60 * self.count} +0000"
        environment = {**os.environ, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        command = ["git", "-C", str(self.folder), *IDENTITY, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def commit(self, files: dict[str, str] | None = None, subject: str = "a change") -> str:
        self.count += 1
        a_tree(self.folder, files or {}, "strategy")
        self.run("add", "--all", "--force")
        self.run("commit", "--allow-empty", "--message", subject)
        return self.run("rev-parse", "HEAD")


def a_repository(folder: Path, files: dict[str, str] | None = None) -> Repository:
    repository = Repository(folder / "repository")
    repository.commit(FILES if files is None else files, "the first")
    return repository


def a_branch(
    folder: Path, repository: Repository, *, remote: bool = False, name: str = "main", subfolder: str = "strategy"
) -> GitBranch:
    place = f"file://{repository.folder}" if remote else str(repository.folder)
    return GitBranch(place, name, subfolder=subfolder, work=folder / "work")


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_the_files_of_a_commit_are_those_of_its_work_tree(tmp_path: Path, remote: bool) -> None:
    odd = {"ä é.py": "y = 1\n", "new\nline.txt": "z", "windows.txt": "a\r\nb\r\n", "a.py~": "noise", "empty.py": ""}
    repository = a_repository(tmp_path, {**FILES, **odd})
    branch = a_branch(tmp_path, repository, remote=remote)

    files = branch.files(branch.head().sha)

    assert files == read_tree(repository.folder / "strategy")
    assert set(files) == {*FILES, *odd} - {"a.py~"}


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_a_commit_has_its_author_subject_and_time(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    sha = repository.commit(subject='Größer: %an {x} "y"')

    head = a_branch(tmp_path, repository, remote=remote).head()

    assert (head.sha, head.author, head.subject) == (sha, "a person", 'Größer: %an {x} "y"')
    assert head.at_ns == (1_700_000_000 + 120) * 10**9


def test_a_branch_is_followed_while_another_is_checked_out_and_edited(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    repository.run("checkout", "-b", "other")
    a_tree(repository.folder, {"a.py": "x = 'not committed'\n"}, "strategy")
    status = repository.run("status", "--porcelain")
    branch = a_branch(tmp_path, repository)

    assert branch.files(branch.head().sha)["a.py"] == b"x = 1\n"
    assert repository.run("status", "--porcelain") == status != ""


def test_the_whole_tree_can_be_the_live_code_also_of_a_bare_repository(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    repository.run("mv", "strategy/__init__.py", "__init__.py")
    repository.commit()
    repository.run("clone", "--bare", ".", str(tmp_path / "bare.git"))

    branch = GitBranch(str(tmp_path / "bare.git"), "main", subfolder=".", work=tmp_path)

    assert set(branch.files(branch.head().sha)) == {"__init__.py", "strategy/a.py", "strategy/tables/weights.json"}


def test_links_are_resolved_inside_the_commit_as_in_a_work_tree(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    tree = repository.folder / "strategy"
    a_tree(repository.folder, {"b.py": "b = 1\n", "deep/c.py": "c = 1\n"}, "shared")
    (tree / "one.py").symlink_to("../shared/b.py")
    (tree / "two.py").symlink_to("one.py")
    (tree / "common").symlink_to("../shared")
    (tree / "through.py").symlink_to("common/deep/c.py")
    (repository.folder / "shared/again").symlink_to("deep")
    repository.commit()
    branch = a_branch(tmp_path, repository)

    files = branch.files(branch.head().sha)

    assert files == read_tree(tree)
    assert files["common/again/c.py"] == files["through.py"] == b"c = 1\n"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/hostname", "link.py is a link out of the repository"),
        ("../../elsewhere.py", "link.py is a link out of the repository"),
        ("nowhere.py", "link.py is a link to nothing"),
        ("link.py", "link.py is a link in a circle"),
        (".", "link.py is a link to nothing that the commit holds"),
        ("..", "link.py/strategy/link.py leads back to a folder around it"),
    ],
)
def test_a_link_that_cannot_be_resolved_is_refused(tmp_path: Path, target: str, reason: str) -> None:
    repository = a_repository(tmp_path)
    (repository.folder / "strategy/link.py").symlink_to(target)
    repository.commit()
    branch = a_branch(tmp_path, repository)

    with pytest.raises(ReleaseRefused, match=reason):
        branch.files(branch.head().sha)


def test_a_submodule_is_refused(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    other = a_repository(tmp_path / "other")
    repository.run("submodule", "add", str(other.folder), "strategy/module")
    repository.commit()
    branch = a_branch(tmp_path, repository)

    with pytest.raises(ReleaseRefused, match=r"strategy of commit .*\n.*module is a submodule"):
        branch.files(branch.head().sha)


def test_a_commit_without_the_folder_or_without_a_package_is_refused(tmp_path: Path) -> None:
    repository = a_repository(tmp_path, {"a.py": "x = 1\n"})
    sha = repository.run("rev-parse", "HEAD")

    with pytest.raises(ReleaseRefused, match="the folder does not exist"):
        a_branch(tmp_path, repository, subfolder="elsewhere").files(sha)
    with pytest.raises(ReleaseRefused, match=r"__init__\.py is missing"):
        a_branch(tmp_path, repository).files(sha)


def test_what_waits_is_counted_from_the_commit_that_runs(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    branch = a_branch(tmp_path, repository)
    live = branch.head()
    assert branch.poll(ahead_of=live.sha, now_ns=1).commits == 0

    oldest = repository.commit({"a.py": "x = 2\n"})
    first = branch.poll(ahead_of=live.sha, now_ns=2)
    newest = repository.commit({"a.py": "x = 3\n"})
    second = branch.poll(ahead_of=live.sha, now_ns=3)

    assert (first.head.sha, first.commits, first.first_seen_ns) == (oldest, 1, 2)
    assert (second.head.sha, second.commits, second.first_seen_ns) == (newest, 2, 2)
    assert second.oldest_at_ns == first.oldest_at_ns == live.at_ns + MINUTE_NS
    last = branch.poll(ahead_of=newest, now_ns=4)
    assert (last.commits, last.oldest_at_ns, last.first_seen_ns) == (0, None, None)


def test_a_commit_that_does_not_touch_the_live_code_does_not_wait(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    branch = a_branch(tmp_path, repository)
    live = branch.head().sha
    a_tree(repository.folder, {"readme.md": "hello"}, "docs")
    repository.commit()

    assert branch.poll(ahead_of=live, now_ns=1).commits == 0
    repository.commit({"a.py": "x = 2\n"})
    assert branch.poll(ahead_of=live, now_ns=2).commits == 1


@pytest.mark.parametrize("live", ["", "0" * 40, "--output=x"])
def test_when_the_commit_that_runs_is_not_known_the_head_waits(tmp_path: Path, live: str) -> None:
    repository = a_repository(tmp_path)
    head = repository.commit({"a.py": "x = 2\n"})

    waiting = a_branch(tmp_path, repository).poll(ahead_of=live, now_ns=1)

    assert (waiting.head.sha, waiting.commits) == (head, 1)


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_a_rewritten_branch_is_a_branch_with_another_head(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    live = repository.commit({"a.py": "x = 2\n"})
    branch = a_branch(tmp_path, repository, remote=remote)
    assert branch.head().sha == live

    repository.run("reset", "--hard", "HEAD~1")
    back = branch.poll(ahead_of=live, now_ns=1)
    other = repository.commit({"a.py": "x = 3\n"})
    rewritten = branch.poll(ahead_of=live, now_ns=2)

    assert (back.commits, rewritten.commits, rewritten.head.sha) == (1, 1, other)
    assert branch.files(other)["a.py"] == b"x = 3\n"


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_a_person_names_a_commit_in_the_ways_of_git(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    first = repository.run("rev-parse", "HEAD")
    repository.commit({"a.py": "x = 2\n"})
    branch = a_branch(tmp_path, repository, remote=remote)

    assert {branch.resolve(rev).sha for rev in (first, first[:10], "main~1", "main^")} == {first}
    for rev in ("nothing", "--all", "-h", "", "main:strategy", "a\0b"):
        with pytest.raises(GitRefused):
            branch.resolve(rev)


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_a_branch_whose_name_looks_like_an_option_is_a_branch(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    repository.run("update-ref", "refs/heads/--upload-pack=evil", "HEAD")

    branch = a_branch(tmp_path, repository, remote=remote, name="--upload-pack=evil")

    assert branch.files(branch.head().sha)["a.py"] == b"x = 1\n"


@pytest.mark.parametrize("name", ["", "a..b", "a b", "@{-1}", "a:b", "x\n"])
def test_an_impossible_branch_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GitRefused, match="the branch name"):
        GitBranch(str(tmp_path), name, subfolder="", work=tmp_path)


@pytest.mark.parametrize("repository", ["nowhere", "-u:x", "--upload-pack=x:y"])
def test_what_is_neither_a_folder_nor_a_url_is_refused(tmp_path: Path, repository: str) -> None:
    with pytest.raises(GitRefused, match="neither a folder nor a URL"):
        GitBranch(repository, "main", subfolder="", work=tmp_path)


@pytest.mark.parametrize("repository", ["ext::touch executed", "fd::17", "file:///nowhere/at/all"])
def test_an_unreachable_remote_is_refused_and_nothing_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str
) -> None:
    monkeypatch.chdir(tmp_path)
    branch = GitBranch(repository, "main", subfolder="", work=tmp_path / "work")

    with pytest.raises(GitRefused, match=r"git refused fetching main of .*; nothing was changed$"):
        branch.head()
    assert not list(tmp_path.rglob("executed"))


def test_the_environment_of_a_hook_does_not_lead_to_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, other = a_repository(tmp_path), a_repository(tmp_path / "other")
    other.commit({"a.py": "x = 'other'\n"})
    expected = repository.run("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))

    assert a_branch(tmp_path, repository).head().sha == expected


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", f"sh -c 'echo $$ > {tmp_path}/pid; sleep 60' --")
    began = time.monotonic()

    with pytest.raises(GitRefused, match=r"it did not end within 0\.5 s"):
        git(tmp_path, "ls-remote", "ssh://nowhere/x", doing="asking", timeout_s=0.5)

    assert time.monotonic() - began < 5
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_machine_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "defpath", str(tmp_path))

    with pytest.raises(GitRefused, match="No such file or directory: 'git'"):
        GitBranch(str(tmp_path), "main", subfolder="", work=tmp_path)


class Following:
    """A thread that follows a branch, and what it has told."""

    def __init__(self, branch: GitBranch, known: str = "") -> None:
        self.stop = threading.Event()
        self.told: list[CommitSnapshot | GitProblem] = []
        self._thread = threading.Thread(target=self._run, args=(branch, known))

    def _run(self, branch: GitBranch, known: str) -> None:
        for news in commits(branch, stop=self.stop, poll_s=0.02, known=known):
            self.told.append(news)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def wait_for(self, count: int) -> CommitSnapshot | GitProblem | None:
        until = time.monotonic() + 10
        while len(self.told) < count:
            assert time.monotonic() < until, self.told
            time.sleep(0.005)
        time.sleep(0.2)
        assert len(self.told) == count, self.told
        return self.told[-1] if self.told else None


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_each_new_head_is_told_once_with_the_number_of_commits_it_skips(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    first = repository.run("rev-parse", "HEAD")
    branch = a_branch(tmp_path, repository, remote=remote)
    with Following(branch, known=first) as following:
        following.wait_for(0)
        repository.commit({"a.py": "x = 2\n"})
        one = following.wait_for(1)
        repository.run("checkout", "-b", "side")
        for number in range(3, 6):
            repository.commit({"a.py": f"x = {number}\n"})
        repository.run("update-ref", "refs/heads/main", "side")
        other = following.wait_for(2)

    assert isinstance(one, CommitSnapshot)
    assert isinstance(other, CommitSnapshot)
    assert (one.skipped, one.files["a.py"]) == (0, b"x = 2\n")
    assert (other.skipped, other.files["a.py"]) == (2, b"x = 5\n")


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a URL"])
def test_a_branch_that_is_deleted_is_told_once_and_followed_when_it_is_back(tmp_path: Path, remote: bool) -> None:
    repository = a_repository(tmp_path)
    repository.run("checkout", "-b", "side")
    with Following(a_branch(tmp_path, repository, remote=remote)) as following:
        following.wait_for(1)
        repository.run("branch", "-D", "main")
        problem = following.wait_for(2)
        repository.commit({"a.py": "x = 2\n"})
        repository.run("branch", "main")
        back = following.wait_for(3)

    assert isinstance(problem, GitProblem)
    assert problem.text.endswith("; nothing was changed, and the branch is still followed")
    assert "main" in problem.text
    assert ("couldn't find remote ref" if remote else "there is no such commit") in problem.text
    assert isinstance(back, CommitSnapshot)
    assert back.files["a.py"] == b"x = 2\n"


def test_an_unreachable_remote_is_told_once_and_followed_when_it_is_back(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    with Following(a_branch(tmp_path, repository, remote=True)) as following:
        following.wait_for(1)
        repository.folder.rename(tmp_path / "away")
        assert isinstance(following.wait_for(2), GitProblem)
        (tmp_path / "away").rename(repository.folder)
        following.wait_for(2)
        repository.commit({"a.py": "x = 2\n"})
        assert isinstance(following.wait_for(3), CommitSnapshot)


def test_a_commit_that_is_no_live_code_is_told_once_and_the_next_one_is_taken(tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    with Following(a_branch(tmp_path, repository)) as following:
        following.wait_for(1)
        repository.run("rm", "strategy/__init__.py")
        repository.commit()
        problem = following.wait_for(2)
        repository.commit(FILES)
        assert isinstance(following.wait_for(3), CommitSnapshot)

    assert isinstance(problem, GitProblem)
    assert "__init__.py is missing" in problem.text


def test_a_refusal_is_an_error_of_the_runtime_and_quotes_the_line_that_tells(tmp_path: Path) -> None:
    with pytest.raises(TesseractError, match="fatal: not a git repository") as caught:
        GitBranch(str(tmp_path), "main", subfolder="", work=tmp_path).head()

    assert "nothing was changed" in str(caught.value)
    assert git_command._last_line(b"fatal: it failed\nhint: do this\n") == "fatal: it failed"
    assert git_command._last_line(b"one\ntwo\n\n") == "two"


@pytest.mark.parametrize(("follow", "end"), [("git", "and the branch is still followed"), ("none", "was changed")])
def test_a_commit_that_cannot_be_read_says_that_the_branch_is_followed_only_where_it_is(
    tmp_path: Path, follow: str, end: str
) -> None:
    place = Workplace(
        tree=str(tmp_path / "strategy"),
        store=str(tmp_path / "data/releases"),
        contract="release_trees:CONTRACT",
        strategies=(Strategy("", "strategy"),),
        follow=follow,
        repository=str(a_repository(tmp_path).folder),
        branch="main",
    )
    workshop = Workshop(place, InProcessOpener(CONTRACT), lambda: 0)

    (refused,) = workshop.obey(Take(request="r1", what="commit", where="nowhere"))

    assert isinstance(refused, Refused)
    assert refused.problems[0].startswith("git refused ")
    assert refused.problems[0].endswith(end)
