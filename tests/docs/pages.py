"""What the tests of the documentation share: the pages, their code blocks, and the command itself."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND_S_MAX = 120

_FILE_BLOCK = re.compile(r"^<!-- file: (?P<name>\S+) -->\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW_NAMES = re.compile(r"^\|(?P<cell>[^|]*)\|", re.MULTILINE)


def page(name: str) -> str:
    """The text of a page, by its path from the root of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of any level. Fails where there is no such heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(?P<body>.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {title!r}"
    return found["body"]


def names_in_tables(text: str) -> set[str]:
    """Every name in backticks in the first column of the tables of a text."""
    return {name for row in _ROW_NAMES.finditer(text) for name in re.findall(r"`([^`]+)`", row["cell"])}


def file_blocks(text: str) -> dict[str, str]:
    """The code blocks that a page marks as files, by the path that it gives them."""
    return {found["name"]: found["code"] for found in _FILE_BLOCK.finditer(text)}


def foresight(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs `foresight WORDS` in a process of its own."""
    script = Path(sys.executable).with_name("foresight")
    return subprocess.run([str(script), *words], capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
