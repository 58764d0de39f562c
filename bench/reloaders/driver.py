"""Runs in a peer's own environment: one program whose live code is reloaded by the tool that is measured.

python driver.py TOOL case FOLDER     before/ and after/ lie in FOLDER; prints the value before and after the edit
python driver.py TOOL speed FOLDER N  N edits of a generated strategy, beside a loop that ticks every millisecond

Only the standard library, msgspec and the tool itself are imported. The program is as kind to every tool as can be: it
reaches live code through the module's attribute, at every call anew.
"""

import asyncio
import gc
import importlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

NUMBER = 3
WAIT_S = 2.0
TICK_S = 0.001
Reload = Callable[[set[Path]], None]


def answer() -> object:
    """The value of one call, as plain data."""
    live = sys.modules["strategy"]
    given = SimpleNamespace(number=NUMBER, text="", numbers=())
    result = live.decide(given, live.State(), live.Params())
    return json.loads(json.dumps(result.value))


def reload_changed(changed: set[Path]) -> None:
    """`importlib.reload` of the modules that were edited."""
    for module in [found for found in live_modules() if Path(found.__file__) in changed]:
        importlib.reload(module)


def reload_with_importers(changed: set[Path]) -> None:
    """The same, and every other module of the package after them."""
    reload_changed(changed)
    others = [found for found in live_modules() if Path(found.__file__) not in changed]
    for module in sorted(others, key=lambda found: -found.__name__.count(".")):
        importlib.reload(module)


def live_modules() -> list:
    found = [module for name, module in list(sys.modules.items()) if name == "strategy" or name.startswith("strategy.")]
    return [module for module in found if getattr(module, "__file__", None)]


def autoreload() -> Reload:
    """IPython's `%autoreload 2`, without a shell."""
    from IPython.extensions.autoreload import ModuleReloader

    reloader = ModuleReloader()
    reloader.check(check_all=True, do_reload=False)
    return lambda _changed: reloader.check(check_all=True)


def jurigged(folder: Path) -> Reload:
    """jurigged watches the files by itself."""
    import jurigged as tool

    tool.watch(pattern=str(folder / "strategy" / "*.py"), logger=lambda _event: None, poll=0.02)
    return lambda _changed: None


def hmr(folder: Path) -> Reload:
    """hmr's reloader around an entry file that imports the live code."""
    from reactivity.hmr.core import HMR_CONTEXT, SyncReloader

    entry = folder / "entry.py"
    entry.write_text("import strategy\nDECIDE = strategy.decide\nTYPES = (strategy.State, strategy.Params)\n")
    reloader = SyncReloader(str(entry), [str(folder)])
    effect = HMR_CONTEXT.effect(reloader.run_entry_file)
    gc.collect()
    return lambda changed: (reloader.on_changes(changed), effect)[0]


def started(tool: str, folder: Path) -> Reload:
    """Imports the live code under the tool, and returns how to tell it of an edit."""
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    if tool == "jurigged":
        reload = jurigged(folder)
    elif tool == "hmr":
        return hmr(folder)
    else:
        reload = {"reload": reload_changed, "importers": reload_with_importers}.get(tool, reload_changed)
    importlib.import_module("strategy")
    return autoreload() if tool == "autoreload" else reload


def edit(folder: Path, after: dict[str, str | None]) -> set[Path]:
    """Writes the other tree; its times lie in the future, so that no tool misses the edit for its time."""
    changed, soon = set(), time.time() + 5
    for name, content in after.items():
        path = folder / "strategy" / name
        changed.add(path)
        if content is None:
            path.unlink(missing_ok=True)
            continue
        if path.exists() and path.read_text() == content:
            changed.discard(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (soon, soon))
    return changed


def case(tool: str, folder: Path) -> dict[str, object]:
    """One edit: the value before it and after it, or what was raised."""
    reload = started(tool, folder)
    told: dict[str, object] = {"before": answer()}
    after = json.loads((folder / "after.json").read_text())
    wanted = json.loads((folder / "wanted.json").read_text())
    changed = edit(folder, after)
    try:
        reload(changed)
    except BaseException as error:
        told["raised"] = repr(error)[:200]
    end = time.monotonic() + (WAIT_S if tool == "jurigged" else 0)
    while True:
        told["after"] = said()
        if (told["after"] == wanted["value"] and not wanted["is_refused"]) or time.monotonic() >= end:
            break
        time.sleep(0.02)
    told["looks"] = looks(folder)
    return told


def said() -> object:
    try:
        return answer()
    except BaseException as error:
        return {"raised": repr(error)[:200]}


def looks(folder: Path) -> dict[str, object]:
    """What people look at: source, lines of a traceback, and the docstring of `decide`, beside the file as it is."""
    import inspect
    import linecache

    linecache.checkcache()
    live = sys.modules["strategy"]
    text = (folder / "strategy" / "__init__.py").read_text()
    function = live.decide
    found: dict[str, object] = {}
    try:
        found["getsource"] = inspect.getsource(function) in text
    except (OSError, TypeError):
        found["getsource"] = False
    line = text.splitlines()[function.__code__.co_firstlineno - 1 :][:1]
    found["traceback_lines"] = bool(line) and line[0].lstrip().startswith(("def decide", "@"))
    return found


async def speed(tool: str, folder: Path, count: int) -> dict[str, object]:
    """Seconds from a save to the new value, and the lateness of a tick every millisecond meanwhile."""
    reload = started(tool, folder)
    source = (folder / "strategy" / "__init__.py").read_text()
    lateness: list[float] = []
    ticker = asyncio.get_running_loop().create_task(tick(lateness))
    await asyncio.sleep(3.0)
    quiet, lateness[:] = sorted(lateness), []
    visible, stalls = [], []
    for number in range(count):
        await asyncio.sleep(0.2)
        lateness[:] = []
        began = time.perf_counter()
        wanted = 1000 + number
        path = folder / "strategy" / "__init__.py"
        path.write_text(re.sub(r"EDITED = \d+", f"EDITED = {wanted}", source))
        os.utime(path, (time.time() + 5 + number, time.time() + 5 + number))
        await until_seen(wanted, reload, path, tool)
        visible.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
        stalls.append(max(lateness, default=0.0))
    ticker.cancel()
    return {"visible_s": visible, "stall_s": stalls, "quiet_s": quiet[-1] if quiet else 0.0}


async def until_seen(wanted: int, reload: Reload, path: Path, tool: str) -> None:
    """The tools that do not watch are told by a poll every 100 ms, which is how people use them."""
    end = time.monotonic() + 10
    if tool != "jurigged":
        await asyncio.sleep(0.1)
        reload({path})
    while wanted != sys.modules["strategy"].EDITED and time.monotonic() < end:
        await asyncio.sleep(0.002)


async def tick(lateness: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        lateness.append(time.perf_counter() - due)


def main() -> None:
    tool, what, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    try:
        told = case(tool, folder) if what == "case" else asyncio.run(speed(tool, folder, int(sys.argv[4])))
    except BaseException:
        told = {"failed": traceback.format_exc()[-800:]}
    print("\n" + json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # a watcher's thread would hold the process


main()
