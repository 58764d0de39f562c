"""What the tools that reload code in place can do, as a table."""

from collections.abc import Mapping, Sequence

from measuring import Document

TOOLS = {
    "reload": "importlib.reload",
    "importers": "the same with importers",
    "autoreload": "IPython autoreload",
    "jurigged": "jurigged",
    "hmr": "hmr",
}
OURS = "Tesseract"
GROUPS = {"A": "code", "B": "modules", "C": "bad at import", "F": "what people look at"}


def table(counts: Mapping[str, Mapping[str, Sequence[int]]], speeds: Mapping[str, Document]) -> str:
    """As Markdown."""
    head = [
        "tool",
        *(f"{group}: {name}" for group, name in GROUPS.items()),
        "save → visible",
        "loop stall, median / worst",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for tool, each in counts.items():
        cells = [f"{pair[0]} of {pair[1]}" if (pair := each.get(group)) else "n/a" for group in GROUPS]
        speed = speeds.get(tool, {})
        visible = f"{speed['visible_ms']} ms" if "visible_ms" in speed else "n/a"
        stall = f"{speed['stall_median_ms']} / {speed['stall_worst_ms']} ms" if "stall_worst_ms" in speed else "n/a"
        lines.append("| " + " | ".join([TOOLS.get(tool, tool), *cells, visible, stall]) + " |")
    return "\n".join(lines)
