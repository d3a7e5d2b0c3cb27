"""Keeps pandas out of the daemon's process.

Arrow imports pandas wherever it is installed, for conversions that the daemon never makes: 70 MB, and half a second.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of the daemon", name="pandas")
        return None


def without_pandas() -> None:
    """From now on, and before Arrow is first used, pandas counts as not installed in this process."""
    sys.meta_path.insert(0, _Absent())
