"""Which files of a live tree a strategy can reach, told from its source alone.

A package of several strategies in one tree redeploys only those that a change reaches. A wrong "not reached" would
leave old code running, so every doubt counts as reached: imports inside functions and under `TYPE_CHECKING`, every
name of a `from` import that is also a module, and the whole tree for a module that imports by computed names.

Python executes `strategy/__init__.py` before any module below it. An `__init__` that imports every strategy makes each
of them reach all the others; that is how it runs, so it is reported like that.

A file that is no Python source belongs to the nearest folder above it that holds some, and is reached with any module
of that folder, or by a module that names the file in a text.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath

import msgspec

from tesseract.release import tree_digest

DYNAMIC_MODULES = frozenset({"importlib", "pkgutil", "runpy", "imp", "zipimport"})
DYNAMIC_NAMES = frozenset({"__import__", "exec", "eval"})
PARSED_FILES_MAX = 1024
"""Several strategies share most of a tree, and most files stay the same from one save to the next."""


class _Import(msgspec.Struct, frozen=True):
    """`import module` or `from <level dots>module import names`."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


class _Source(msgspec.Struct, frozen=True):
    """What one file says about others. `offered` are the names of `__all__`; None when they are computed."""

    imports: tuple[_Import, ...] = ()
    offered: tuple[str, ...] | None = ()
    texts: frozenset[str] = frozenset()
    is_dynamic: bool = False


def reached(files: Mapping[str, bytes], package: str, entry: str) -> frozenset[str]:
    """The relative paths of every file that the module `entry` can reach, its own and its packages' among them.

    `files` is a tree as `read_tree` gives it, `package` its name, `entry` a dotted name such as `strategy.fast`. An
    entry that does not exist reaches the packages above it: the host tells that it is missing.
    """
    tree = _Tree(files, package)
    found: set[str] = set()
    waiting = set(tree.modules_of(entry))
    while waiting:
        path = waiting.pop()
        found.add(path)
        source = _source(files[path])
        if source.is_dynamic:
            return frozenset(files)
        waiting |= tree.imported_by(path, source) - found
    return frozenset(found | tree.data_of(found))


def reach_digest(files: Mapping[str, bytes], package: str, entry: str) -> str:
    """SHA-256 (hex) over names and contents of the reached files: equal when no change reaches `entry`."""
    return tree_digest({path: files[path] for path in reached(files, package, entry)})


class _Tree:
    """The files of one package by the names under which Python imports them."""

    def __init__(self, files: Mapping[str, bytes], package: str) -> None:
        self._files, self._package = files, package
        self._source_folders = {PurePosixPath(path).parent for path in files if path.endswith(".py")}

    def modules_of(self, name: str) -> Iterator[str]:
        """The file of a dotted name and the `__init__` of each package above it, as far as they exist."""
        parts = name.split(".")
        if parts[0] != self._package:
            return
        for length in range(1, len(parts) + 1):
            path = self._file_of(parts[1:length])
            if path is not None:
                yield path

    def _file_of(self, parts: list[str]) -> str | None:
        """A folder with an `__init__` hides a module of the same name, as in Python."""
        base = "/".join(parts)
        choices = [f"{base}/__init__.py", f"{base}.py"] if base else ["__init__.py"]
        return next((path for path in choices if path in self._files), None)

    def imported_by(self, path: str, source: _Source) -> set[str]:
        found: set[str] = set()
        for item in source.imports:
            base = self._absolute(path, item)
            found.update(self.modules_of(base))
            for name in self._names(base, item):
                found.update(self.modules_of(f"{base}.{name}"))
        return found

    def _absolute(self, path: str, item: _Import) -> str:
        """The dotted name of what is imported; empty when the dots lead out of the tree."""
        if item.level == 0:
            return item.module
        folders = [self._package, *PurePosixPath(path).parent.parts]
        home = folders[: len(folders) - item.level + 1]
        return ".".join([*home, item.module] if item.module else home) if home else ""

    def _names(self, base: str, item: _Import) -> tuple[str, ...]:
        """What comes in with a `from` import; a star brings the modules that the package lists in `__all__`."""
        if "*" not in item.names:
            return item.names
        folder = self._file_of(base.split(".")[1:])
        if folder is None or not folder.endswith("__init__.py"):
            return ()
        offered = _source(self._files[folder]).offered
        return self._below(PurePosixPath(folder).parent) if offered is None else offered

    def _below(self, folder: PurePosixPath) -> tuple[str, ...]:
        """Every module and package right below a folder."""
        paths = [PurePosixPath(path) for path in self._files]
        inside = [path.relative_to(folder) for path in paths if path.is_relative_to(folder)]
        return tuple({path.parts[0].removesuffix(".py") for path in inside})

    def data_of(self, modules: set[str]) -> set[str]:
        """The files without source that belong to these modules, or that one of them names."""
        homes = {PurePosixPath(path).parent for path in modules}
        named = {text.rpartition("/")[2] for path in modules for text in _source(self._files[path]).texts}
        data = [PurePosixPath(path) for path in self._files if not path.endswith(".py")]
        return {path.as_posix() for path in data if self._owner_of(path) in homes or path.name in named}

    def _owner_of(self, path: PurePosixPath) -> PurePosixPath:
        """The nearest folder above that holds source; the root, in the end."""
        return next((folder for folder in path.parents if folder in self._source_folders), PurePosixPath())


@lru_cache(maxsize=PARSED_FILES_MAX)
def _source(content: bytes) -> _Source:
    """What a file says. One that does not parse says nothing; its error is found where it is imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are the author's, and are told where the module is executed
            nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Source()
    imports = tuple(item for node in nodes for item in _imports_of(node))
    return _Source(
        imports=imports,
        offered=_offered(nodes),
        texts=frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)),
        is_dynamic=any(map(_is_dynamic_import, imports)) or any(map(_is_dynamic_name, nodes)),
    )


def _imports_of(node: ast.AST) -> Iterator[_Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield _Import(alias.name)
    elif isinstance(node, ast.ImportFrom):
        yield _Import(node.module or "", tuple(alias.name for alias in node.names), node.level)


def _is_dynamic_import(item: _Import) -> bool:
    top = item.module.partition(".")[0]
    return item.level == 0 and (
        top in DYNAMIC_MODULES or (top == "builtins" and not DYNAMIC_NAMES.isdisjoint(item.names))
    )


def _is_dynamic_name(node: ast.AST) -> bool:
    """`exec(...)` and `builtins.exec(...)`, but not a method that happens to be called `eval`."""
    if isinstance(node, ast.Attribute):
        is_builtin = isinstance(node.value, ast.Name) and node.value.id in ("builtins", "__builtins__")
        return is_builtin and node.attr in DYNAMIC_NAMES
    return isinstance(node, ast.Name) and node.id in DYNAMIC_NAMES


def _offered(nodes: list[ast.AST]) -> tuple[str, ...] | None:
    """The names in `__all__`; None when it is touched in any other way than by a plain list."""
    touched = sum(isinstance(node, ast.Name) and node.id == "__all__" for node in nodes)
    lists = [names for node in nodes if (names := _listed(node)) is not None]
    return None if touched != len(lists) else tuple(name for names in lists for name in names)


def _listed(node: ast.AST) -> list[str] | None:
    """What `__all__ = [...]` or `__all__ += [...]` lists; None for every other statement."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    is_assigned = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
    if not (is_assigned and isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)):
        return None
    items = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [None]
    names = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return names if len(names) == len(items) else None
