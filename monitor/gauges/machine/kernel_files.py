"""Reads the small text files of Linux in which the kernel publishes figures."""

from pathlib import Path


def text_of(path: Path) -> str | None:
    """The content; None where there is no such file, or this process must not read it."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def number_in(path: Path) -> int | None:
    """The only number of a file; None for `max`, or where there is none."""
    text = (text_of(path) or "").strip()
    return int(text) if text.lstrip("-").isdecimal() else None


def table_in(path: Path) -> dict[str, int]:
    """The numbers by name of lines such as `nr_throttled 17` or `MemTotal:  16337 kB`; empty without the file."""
    table = {}
    for line in (text_of(path) or "").splitlines():
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdecimal():
            table[words[0]] = int(words[1])
    return table
