"""A wall clock that a test sets for another process (libfaketime); the monotonic clock is left alone."""

from pathlib import Path

import pytest

_FOUND = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Wall:
    """The clock of processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        if not _FOUND:
            pytest.fail("libfaketime is missing: .ci/system-packages installs it")
        self._file = folder / "faketime"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(_FOUND[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Have the clock go `seconds` before (negative) or after the real one."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}\n", encoding="utf-8")
        written.replace(self._file)
