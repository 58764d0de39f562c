"""The live code of one commit, as `read_tree` would give it from a folder in which that commit was checked out.

Links are resolved inside the commit, by git itself. One that leads out of the repository, to nothing, or in a circle is
refused, and so is a submodule, because neither has its content in the commit.
"""

from pathlib import Path
from typing import NamedTuple

from tesseract.errors import ReleaseRefused
from tesseract.git_command import GitRefused, git
from tesseract.release import is_noise, require_fitting, require_package

LINK, SUBMODULE = "120000", "160000"
NOWHERE = {
    "tree": "leads back to a folder around it",
    "loop": "is a link in a circle",
    "symlink": "is a link out of the repository",
}
"""What git's word for the target of a link means, where it has no content to take."""


class _Object(NamedTuple):
    """A file, or a link to be resolved, by its name in the live code."""

    name: str
    mode: str
    sha: str
    size: int


class _Folder(NamedTuple):
    name: str
    sha: str
    through: tuple[str, ...]
    """The linked folders on the way here, by object, so that a circle is recognised."""


def files_of(repository: Path, commit: str, subfolder: str) -> dict[str, bytes]:
    """{name: content}. Raises `GitRefused` when git cannot read it, `ReleaseRefused` when it is no live code."""
    title = f"{subfolder or 'the tree'} of commit {commit[:12]}"
    blobs = _Listing(repository, commit, subfolder, title).blobs()
    require_fitting(title, sum(blob.size for blob in blobs), len(blobs))
    files = dict(zip((blob.name for blob in blobs), _contents(repository, blobs, title), strict=True))
    require_package(title, files)
    return files


class _Listing:
    """Finds every file below one folder of a commit, through its links."""

    def __init__(self, repository: Path, commit: str, subfolder: str, title: str) -> None:
        self._repository = repository
        self._root = f"{commit}:{subfolder}" if subfolder else f"{commit}:"
        self._title = title

    def blobs(self) -> list[_Object]:
        root = self._root_tree()
        found: list[_Object] = []
        pending = [_Folder("", root, (root,))]
        while pending:
            folder = pending.pop()
            for entry in self._entries(folder):
                if entry.mode == SUBMODULE:
                    raise ReleaseRefused(
                        self._title, [f"{entry.name} is a submodule: its content is not in the commit"]
                    )
                if entry.mode == LINK:
                    self._follow(entry, folder, found, pending)
                else:
                    found.append(entry)
            require_fitting(self._title, sum(blob.size for blob in found), len(found))
        return found

    def _root_tree(self) -> str:
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", self._root)
        try:
            return git(self._repository, *words, doing=self._title).decode().strip()
        except GitRefused:
            raise ReleaseRefused(self._title, ["the folder does not exist"]) from None

    def _entries(self, folder: _Folder) -> list[_Object]:
        listed = git(self._repository, "ls-tree", "-r", "-z", "-l", "--full-tree", folder.sha, doing=self._title)
        entries = []
        for line in listed.split(b"\0")[:-1]:
            facts, _, path = line.partition(b"\t")
            mode, _, sha, size = facts.decode().split()
            name = path.decode(errors="surrogateescape")  # a name in git need not be Unicode
            if not any(is_noise(part) for part in name.split("/")):
                whole = f"{folder.name}/{name}" if folder.name else name
                entries.append(_Object(whole, mode, sha, int(size) if size != "-" else 0))
        return entries

    def _follow(self, link: _Object, folder: _Folder, found: list[_Object], pending: list[_Folder]) -> None:
        kind, sha, size = self._target(link)
        if kind == "blob":
            found.append(_Object(link.name, kind, sha, size))
        elif kind == "tree" and sha not in folder.through:
            pending.append(_Folder(link.name, sha, (*folder.through, sha)))
        else:
            raise ReleaseRefused(
                self._title, [f"{link.name} {NOWHERE.get(kind, 'is a link to nothing that the commit holds')}"]
            )

    def _target(self, link: _Object) -> tuple[str, str, int]:
        """Type, object and size of what a link leads to, with links on its way followed too."""
        separator = "" if self._root.endswith(":") else "/"
        asked = f"{self._root}{separator}{link.name}".encode(errors="surrogateescape")
        if b"\n" in asked:
            raise ReleaseRefused(self._title, [f"{link.name!r} is a link with a line end in its name"])
        words = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize)", "--follow-symlinks")
        said = git(self._repository, *words, doing=self._title, given=asked + b"\n").split(b"\n")[0].decode()
        kind, _, rest = said.partition(" ")
        if kind not in ("blob", "tree"):
            return kind, "", 0
        sha, size = rest.split()
        return kind, sha, int(size)


def _contents(repository: Path, blobs: list[_Object], title: str) -> list[bytes]:
    asked = "".join(f"{blob.sha}\n" for blob in blobs).encode()
    said = git(repository, "cat-file", "--batch=%(objectsize)", doing=title, given=asked)
    contents = []
    at = 0
    for blob in blobs:
        end = said.index(b"\n", at)
        size = said[at:end].decode()
        if not size.isdigit():
            raise GitRefused(title, f"the content of {blob.name} is missing from the repository")
        contents.append(said[end + 1 : end + 1 + int(size)])
        at = end + 2 + int(size)
    return contents
