"""Imports a release's modules under a namespace of their own, beside any number of other releases.

The live package is called `strategy` (or whatever its folder is called) in its own source, yet two releases of it
must be able to live in one process without sharing a module. So each is imported by Python's own import system as
`_release_<id>.strategy`, from its stored files. Relative imports then resolve inside the release by themselves.
Absolute ones (`from strategy.signals import momentum`, also inside functions) go through the `__import__` that the
module's own `__builtins__` carries, which maps the live package's name to the release's. Nothing is patched in
place, no byte code is cached, and `importlib.reload` is never used.
"""

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


class Namespace:
    """The modules of one release. `close` removes every trace of them from the interpreter."""

    def __init__(self, root: Path, package: str, identity: str) -> None:
        """`root` is the folder that holds the package's folder."""
        self.package = package
        self.prefix = f"_release_{identity}"
        self._root = root
        self._finder = _ReleaseFinder(self)
        parent = ModuleType(self.prefix)
        parent.__path__ = [str(root)]
        sys.modules[self.prefix] = parent
        sys.meta_path.insert(0, self._finder)

    def load(self, module: str = "") -> ModuleType:
        """Imports the package, or a module in it, and returns it. Raises whatever its code raises."""
        return importlib.import_module(f"{self.prefix}.{module or self.package}")

    def close(self) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for name in [name for name in sys.modules if name == self.prefix or name.startswith(self.prefix + ".")]:
            del sys.modules[name]

    def mapped(self, name: str) -> str:
        """The real name of a module that live code calls `name`; other names stay as they are."""
        is_live = name == self.package or name.startswith(self.package + ".")
        return f"{self.prefix}.{name}" if is_live else name

    def builtins(self) -> dict[str, object]:
        """The builtins that this release's modules see."""
        return {**vars(builtins), "__import__": self._import}

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the names are those of `__import__`
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        real = self.mapped(name)
        if level or real == name:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = builtins.__import__(real, globals, locals, fromlist or ("__name__",), 0)
        return module if fromlist else sys.modules[f"{self.prefix}.{self.package}"]


class _ReleaseLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, namespace: Namespace) -> None:
        super().__init__(fullname, path)
        self._namespace = namespace

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        try:
            return compile(source, path, "exec", dont_inherit=True)
        except SyntaxError as error:
            if error.filename is None:  # of null bytes the compiler tells neither file nor line
                error.filename, error.lineno = path, source[: source.find(b"\0")].count(b"\n") + 1
            raise

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._namespace.builtins()
        super().exec_module(module)


class _ReleaseFinder:
    """Finds modules below one release's prefix, and nothing else."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(self._namespace.prefix + "."):
            return None
        for folder in path or ():
            finder = FileFinder(folder, (self._loader, [".py"]))  # type: ignore[arg-type]  # it takes any callable
            spec = finder.find_spec(fullname)
            if spec is not None:
                return spec
        return None

    def _loader(self, fullname: str, path: str) -> _ReleaseLoader:
        return _ReleaseLoader(fullname, path, self._namespace)
