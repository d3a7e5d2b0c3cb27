"""Two settings for the machine at hand: how numpy sorts, which it reads when it is loaded, and what becomes of memory.

numpy picks AVX-512 where the processor has it. On AMD's Zen 4 (family 25) the instruction that its AVX-512 sort
stands on is so slow that the AVX2 sort is five times faster (measured: 1,000,000 floats in 9 instead of 52 ms), and
sorting is half of what counting costs. A choice that the user made in the environment stands.
"""

import os
import re
import sys
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
_ZEN_4 = "25"
_KEPT = 8 * 2**20
_NAMES_FROM_2_4 = "X86_V4 AVX512_ICL AVX512_SPR"
_NAMES_BEFORE = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"


def choose_sort() -> None:
    """Have numpy sort by AVX2 on processors where its AVX-512 is slow. Does nothing once numpy is loaded."""
    taken = any(name in os.environ for name in (_VARIABLE, "NPY_ENABLE_CPU_FEATURES"))
    if taken or "numpy" in sys.modules or not _is_slow(Path("/proc/cpuinfo")):
        return
    os.environ[_VARIABLE] = _NAMES_FROM_2_4 if _numpy_version() >= (2, 4) else _NAMES_BEFORE


def keep_freed_memory() -> None:
    """Have the allocator keep up to 8 MB that were freed, instead of giving them back to the system each time.

    A page that is had anew costs two microseconds in a virtual machine: a third of the counting of 100,000 rows. glibc
    keeps twice the largest block that was ever freed alone; elsewhere this does nothing.
    """
    bytes(_KEPT // 2)  # all zero, so that none of its pages is ever touched


def _numpy_version() -> tuple[int, ...]:
    """Read from its file: asking the package metadata would cost more than the sort saves in a short command."""
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return (0,)
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    found = re.search(r'^(?:version|__version__) = "(\d+)\.(\d+)', text, re.MULTILINE)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _is_slow(description: Path) -> bool:
    try:
        with description.open(encoding="ascii", errors="replace") as lines:
            of_one = takewhile(str.strip, lines)
            first = dict(line.split(":", 1) for line in of_one if ":" in line)
    except OSError:
        return False
    found = {name.strip(): value.strip() for name, value in first.items()}
    return (
        found.get("vendor_id") == "AuthenticAMD"
        and found.get("cpu family") == _ZEN_4
        and "avx512f" in found.get("flags", "").split()
    )
