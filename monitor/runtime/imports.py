"""Keeps what is not needed out of a process: pandas and other packages, threads for matrix products, plugins, and early
collections of garbage.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

_UNLESS_SET = {
    # Matrices here are small; the threads wait in a busy loop, which costs 0.1 s at the start.
    "OPENBLAS_NUM_THREADS": "1",
    # Otherwise pydantic searches every installed package for plugins.
    "PYDANTIC_DISABLE_PLUGINS": "1",
}


_EXTRAS = frozenset({"attr", "attrs", "watchfiles"})
_SELDOM = ("yaml", "pdb", "pydoc")
"""Modules that the web framework and Arrow name at their start, for what the daemon does not do: schemas in YAML, a
debugger, docstrings of classes.
"""


class _Absent:
    """A module finder that reports some packages as not installed. It does not derive from `importlib.abc`, which takes
    longer to load than this module.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is not loaded in this process", name=fullname)
        return None


def without_pandas() -> None:
    """Make pandas count as not installed in this process. Call it before Arrow is first used.

    Arrow imports pandas if it is installed, for conversions that are not used here: 70 MB and 0.5 s.
    """
    sys.meta_path.insert(0, _Absent(frozenset({"pandas"})))


def without_extras() -> None:
    """Make optional packages count as not installed in the daemon, and load modules that are seldom used when they are.
    Call it before the web server is loaded.

    The web framework and the web server import them if they are installed, for features that are not used here: 3 MB
    and 1.5 MB.
    """
    sys.meta_path.insert(0, _Absent(_EXTRAS))
    for name in _SELDOM:
        sys.modules.setdefault(name, loaded_when_used(name))


def loaded_when_used(name: str) -> ModuleType:
    """A stand-in for a module, which loads it when something of it is asked for. What looks at all modules, such as
    `inspect`, asks for names with underscores only.
    """
    stand_in = ModuleType(name)

    def load(attribute: str) -> object:
        if attribute.startswith("__") and attribute != "__path__":
            raise AttributeError(f"module {name!r} is not loaded yet", name=attribute, obj=stand_in)
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    stand_in.__dict__["__getattr__"] = load
    return stand_in


def load_less() -> None:
    """Disable threads for matrix products, and plugins. Call it before numpy and pydantic are loaded."""
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)


def collect_less() -> None:
    """Collect garbage less often, for a short command: it spends a twentieth of its time on modules that load."""
    gc.set_threshold(100_000)


def use_jemalloc() -> None:
    """Have Arrow allocate from jemalloc if it was built with it: less freed memory stays unused."""
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
