"""Saves one file again and again, as an editor beside the program would: in a process of its own, so that the program's
loop does nothing for it. The one line that changes is `EDIT = number`.

    python bench/seam_saver.py FILE FIRST COUNT DELAY_S EVERY_S
"""

import sys
import time
from pathlib import Path

PLACE = "EDIT = "


def edited(text: str, number: int) -> str:
    """The text with the number of its edit replaced."""
    lines = text.split("\n")
    return "\n".join(f"{PLACE}{number}" if line.startswith(PLACE) else line for line in lines)


def save(path: Path, number: int) -> int:
    """Writes the file with another number, and returns the monotonic time at which it has been closed."""
    text = edited(path.read_text(), number)
    with path.open("w") as file:
        file.write(text)
    return time.monotonic_ns()


def main() -> None:
    path, first, count, delay_s, every_s = sys.argv[1:]
    due_s = time.monotonic() + float(delay_s)
    for number in range(int(first), int(first) + int(count)):
        time.sleep(max(due_s - time.monotonic(), 0.0))
        save(Path(path), number)
        due_s += float(every_s)


if __name__ == "__main__":
    main()
