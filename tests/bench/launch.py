"""Runs a command from a small process, and says what it took: `python -S -m tests.bench.launch COMMAND...`.

A process's peak of memory counts from before its program was loaded, when it still shares that of whoever started it.
The benchmark itself is larger than some of what it measures.

Prints, as JSON, the exit code, the whole seconds on the wall, the peak of memory in MB, and the last line printed.
"""

import json
import os
import subprocess
import sys
import time

if __name__ == "__main__":
    began = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = process.stdout.read().decode().strip().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    told = {"wall": time.perf_counter() - began, "rss_mb": usage.ru_maxrss / 1024}
    told |= {"code": os.waitstatus_to_exitcode(status), "last": lines[-1] if lines else ""}
    print(json.dumps(told))
