"""Resident code: what a hot swap cannot change, and how an edit of it is noticed.

The packages of the running program are imported once. When their files, their distributions or Python itself change on
disk, what runs stays as it is, and only a new process (a handover) runs the other.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path


class Resident:
    """The resident packages as they were when this was made, and the distributions of the program's `modules`, which
    are names without dots."""

    def __init__(self, packages: Sequence[str], modules: Collection[str] = ()) -> None:
        self._homes = [home for name in packages if (home := _home_of(name)) is not None]
        self._files = self._digests()
        self._versions = _versions(modules)
        self._python = _python()

    def file_in(self, tree: Path) -> Path | None:
        """The first resident file below a folder, when the folder lies in resident code; None for any other."""
        real = tree.resolve()
        for home in self._homes:
            if real == home or home in real.parents:
                return next(iter(sorted(real.rglob("*.py"))), real)
        return None

    def changes(self) -> list[str]:
        """What is not on disk any more as it runs, each as a sentence."""
        now = self._digests()
        changed = sorted(
            str(path) for path in self._files.keys() | now.keys() if self._files.get(path) != now.get(path)
        )
        found = [f"needs handover: {path} has changed; the running code is unaffected" for path in changed[:3]]
        versions = _all_versions() if self._versions else {}
        for name, before in sorted(self._versions.items()):
            if versions.get(name) != before:
                found.append(f"needs handover: {name} {before} runs, and {versions.get(name, 'nothing')} is installed")
        if _python() != self._python:
            found.append(f"needs handover: {sys.executable} is another Python than the one that runs")
        return found

    def _digests(self) -> dict[Path, bytes]:
        found = {}
        for home in self._homes:
            for path in home.rglob("*.py") if home.is_dir() else (home,):
                try:
                    found[path] = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
                except OSError:
                    continue  # it is being replaced; the next look sees it
        return found


def _home_of(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    return origin.parent if spec.submodule_search_locations is not None else origin


def _versions(modules: Collection[str]) -> dict[str, str]:
    """The versions of the distributions that have one of these modules."""
    packages = importlib.metadata.packages_distributions() if modules else {}
    wanted = {name for module in modules for name in packages.get(module, ())}
    return {name: version for name, version in _all_versions().items() if name in wanted} if wanted else {}


def _all_versions() -> dict[str, str]:
    return {name: found.version for found in importlib.metadata.distributions() if (name := found.name)}


def _python() -> tuple[str, int, int]:
    real = os.path.realpath(sys.executable)
    status = Path(real).stat()
    return real, status.st_size, status.st_ino
