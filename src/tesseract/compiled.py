"""Sources that were compiled before they are imported: most of a changed tree is what it was.

An import of a few thousand lines spends most of its time in the compiler, on modules that the edit did not touch. A
host that waits for its order compiles the newest release it knows of meanwhile; of the release that it is then given,
it imports what has the very same source from there. Compiling executes nothing.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any


class CompiledSources:
    """Code by source. Only within `used` do imports see it."""

    def __init__(self) -> None:
        self._codes: dict[bytes, CodeType] = {}

    def add_tree(self, folder: Path) -> None:
        """Compiles every module below a folder. One that cannot be read or compiled, or that the compiler warns of, is
        left to its import, which tells it."""
        for path in folder.rglob("*.py"):
            try:
                source = path.read_bytes()
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    self._codes[source] = compile(source, path, "exec", dont_inherit=True)
            except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, Warning):
                continue

    @contextmanager
    def used(self, package: str) -> Iterator[None]:
        """Within it, modules of `package` are imported from here where their source is known."""
        finder = _Finder(package, self._codes)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)


class _Finder:
    def __init__(self, package: str, codes: dict[bytes, CodeType]) -> None:
        self._package = package
        self._codes = codes

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As every finder of `sys.meta_path`."""
        if name.partition(".")[0] != self._package:
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is not None and type(found.loader) is SourceFileLoader:
            found.loader = _Loader(found.loader.name, found.loader.path, self._codes)
        return found


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, codes: dict[bytes, CodeType]) -> None:
        super().__init__(name, path)
        self._codes = codes

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]  # a method here
        """The code of a known source, with the places of this file."""
        known = self._codes.get(data)
        return super().source_to_code(data, path, _optimize=_optimize) if known is None else _placed(known, str(path))


def _placed(code: CodeType, path: str) -> CodeType:
    """The same code, said to stand in another file."""
    constants = tuple(_placed(each, path) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=path, co_consts=constants)
