"""Tuning for the processor and the allocator: AVX-512 on Zen 4, kept memory, one arena for threads."""

import ctypes
import os
import subprocess
import sys

import pytest

from monitor.runtime import cpu_tuning

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
    assert cpu_tuning._is_slow(path) is slow
    assert cpu_tuning._is_slow(tmp_path / "absent") is False


def test_what_the_user_chose_stands_and_numpy_loads_without_a_warning():
    code = "from monitor.runtime.cpu_tuning import tune_process; tune_process()\n"
    code += "import os, numpy; print(os.environ.get('NPY_DISABLE_CPU_FEATURES', ''))"
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
        "from monitor.runtime.cpu_tuning import tune_process\n"
        "tune_process()\n"
        "import numpy, resource\n"
        "def once():\n"
        "    several = [numpy.ones(100_000) for _ in range(4)]\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "first = [once() for _ in range(3)]\n"
        "print(once() - first[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50  # 780 pages, if each had to be had anew


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has places for threads")
def test_threads_take_memory_from_one_place():
    code = (
        "import ctypes, sys, threading\n"
        "from monitor.runtime.cpu_tuning import share_freed_memory\n"
        "if sys.argv[1:]: share_freed_memory()\n"
        "together = threading.Barrier(6)\n"
        "def work():\n"
        "    together.wait()\n"
        "    kept = [bytes(1000 + n) for n in range(1000)]\n"
        "    together.wait()\n"
        "threads = [threading.Thread(target=work) for _ in range(6)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.fdopen.restype = ctypes.c_void_p\n"
        "out = ctypes.c_void_p(libc.fdopen(1, b'w'))\n"
        "libc.malloc_info(0, out)\n"
        "libc.fflush(out)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}

    def places(*arguments):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.count("<heap nr=")

    assert places("shared") == 1
    assert places() > 1
