"""Keeps out of a process what it does not need: pandas, threads for matrix products, plugins, freed memory, and
looks of the garbage collector.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_UNLESS_SET = {
    # Matrices here are small; the threads wait for work in a loop, which costs a tenth of a second at the start.
    "OPENBLAS_NUM_THREADS": "1",
    # Else every installed package is searched for plugins of pydantic.
    "PYDANTIC_DISABLE_PLUGINS": "1",
}


class _Absent:
    """A finder of modules. Not of the class for them in `importlib.abc`, which takes longer to load than this."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name="pandas")
        return None


def without_pandas() -> None:
    """From now on, and before Arrow is first used, pandas counts as not installed in this process.

    Arrow imports pandas wherever it is installed, for conversions that we never make: 70 MB, and half a second.
    """
    sys.meta_path.insert(0, _Absent())


def load_less() -> None:
    """Before numpy and pydantic are loaded: no threads for matrix products, and no plugins."""
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)


def collect_less() -> None:
    """For a short command: a twentieth of its time the collector would look at what is only being loaded."""
    gc.set_threshold(100_000)


def use_jemalloc() -> None:
    """Have Arrow get its memory from jemalloc, where it was built with it: less of what was freed stays unused."""
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
