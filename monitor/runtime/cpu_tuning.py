"""Settings for the processor and the allocator: priority, how numpy sorts, when freed memory returns to the system.

numpy uses AVX-512 if the processor supports it. On AMD's Zen 4 (family 25) the instruction that its AVX-512 sort uses
is so slow that the AVX2 sort is five times faster (measured: 1,000,000 floats in 9 instead of 52 ms), and sorting is
half of the cost of counting. A choice in the environment has precedence.
"""

import ctypes
import os
import re
import sys
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
_ZEN_4 = "25"
_KEPT_BYTES = 8 * 2**20
_ARENA_MAX = -8
"""The number of this choice in glibc's `malloc.h`."""
_BEFORE_2_3 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
_NAMES = (
    ((2, 4), "X86_V4 AVX512_ICL AVX512_SPR"),
    ((2, 3), f"{_BEFORE_2_3} AVX512_SPR"),
    ((0,), _BEFORE_2_3),
)
"""The features that use AVX-512, from each version of numpy on. It warns of a name that it does not know."""


def tune_process() -> None:
    """Apply both settings. Called at the start of a command and of a child process, before numpy is loaded."""
    choose_sort()
    keep_freed_memory()


def choose_sort() -> None:
    """Have numpy sort by AVX2 on processors where its AVX-512 is slow. Does nothing once numpy is loaded."""
    is_chosen = any(name in os.environ for name in (_VARIABLE, "NPY_ENABLE_CPU_FEATURES"))
    if is_chosen or "numpy" in sys.modules or not _is_slow(Path("/proc/cpuinfo")):
        return
    os.environ[_VARIABLE] = avx_512()


def avx_512() -> str:
    """The names of the features that use AVX-512 in the installed numpy, separated by spaces."""
    version = _numpy_version()
    return next(names for since, names in _NAMES if version >= since)


def keep_freed_memory() -> None:
    """Have the allocator keep up to 8 MB of freed memory, instead of returning it to the system each time.

    A new page costs two microseconds in a virtual machine: a third of the counting of 100,000 rows. glibc keeps twice
    the largest block that was ever freed alone. With other C libraries this does nothing.
    """
    bytes(_KEPT_BYTES // 2)  # all zero, so that its pages are never touched


def lower_priority(niceness: int) -> None:
    """Give this process at least this niceness. If it has a higher one already, that stays.

    Lowered twice, it would get no time beside the other processes of a user who started the daemon with `nice`.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))


def share_freed_memory() -> None:
    """Have all threads that start later allocate from one arena, so that memory freed by one serves the others.

    glibc gives each thread an arena of its own, up to eight per core. Large blocks, such as batches on their way into
    the store, leave each arena at its largest size. With other C libraries this does nothing.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None and "MALLOC_ARENA_MAX" not in os.environ:
        choose(_ARENA_MAX, 1)


def allocate_arrow_from_system() -> None:
    """Have Arrow allocate from the C library as all else does, here and in child processes, unless the environment says
    otherwise. Call it before Arrow is loaded.

    Its own allocator takes 4 MB for the first record, and keeps for itself what was freed. With C libraries other than
    glibc this does nothing.
    """
    if hasattr(ctypes.CDLL(None), "mallopt"):
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def release_freed_memory() -> None:
    """Return freed memory between blocks in use to the system. Only glibc supports this."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _numpy_version() -> tuple[int, ...]:
    """Return (major, minor), read from numpy's own file, which is faster than the package metadata."""
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return (0,)
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    version = re.search(r'^(?:version|__version__) = "(\d+)\.(\d+)', text, re.MULTILINE)
    return tuple(int(part) for part in version.groups()) if version else (0,)


def _is_slow(description: Path) -> bool:
    try:
        with description.open(encoding="ascii", errors="replace") as lines:
            first = takewhile(str.strip, lines)  # the lines of the first processor
            fields = dict(line.split(":", 1) for line in first if ":" in line)
    except OSError:
        return False
    processor = {name.strip(): value.strip() for name, value in fields.items()}
    return (
        processor.get("vendor_id") == "AuthenticAMD"
        and processor.get("cpu family") == _ZEN_4
        and "avx512f" in processor.get("flags", "").split()
    )
