import os
import subprocess
import sys

import pytest

from monitor import processor

ZEN_4 = "processor : 0\nvendor_id : AuthenticAMD\ncpu family : 25\nflags : fpu avx2 avx512f avx512vl\n\nprocessor : 1\n"


@pytest.mark.parametrize(
    ("text", "slow"),
    [
        (ZEN_4, True),
        (ZEN_4.replace("25", "26"), False),
        (ZEN_4.replace(" avx512f", ""), False),
        (ZEN_4.replace("AuthenticAMD", "GenuineIntel"), False),
        ("", False),
    ],
)
def test_only_zen_4_with_avx_512_sorts_slowly(tmp_path, text, slow):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert processor._is_slow(path) is slow
    assert processor._is_slow(tmp_path / "absent") is False


def test_what_the_user_chose_stands_and_numpy_loads_without_a_warning():
    code = "import monitor, os, numpy; print(os.environ.get('NPY_DISABLE_CPU_FEATURES', ''))"
    for chosen in ("", "AVX512_ICL"):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NPY_")}
        environment |= {"NPY_DISABLE_CPU_FEATURES": chosen} if chosen else {}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if chosen and "AVX512_ICL" in done.stderr:
            continue  # this processor has no such feature, which numpy says itself
        assert done.returncode == 0, done.stderr
        assert not chosen or done.stdout.strip() == chosen


def test_freed_memory_is_kept():
    code = (
        "import monitor, numpy, resource\n"
        "def once():\n"
        "    several = [numpy.ones(100_000) for _ in range(4)]\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "first = [once() for _ in range(3)]\n"
        "print(once() - first[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50  # 780 pages, if each had to be had anew
