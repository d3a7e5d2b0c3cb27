"""The child process that makes a report: `python -m monitor.reports.child FOLDER MEMORY SECONDS`.

The only file that loads Evidently. It sets its limits first, and is the kernel's first choice if memory runs out.
"""

import contextlib
import os
import resource
import sys
from pathlib import Path

from monitor.runtime.cpu_tuning import lower_priority, tune_process
from monitor.visible import counted


def main(folder: str, memory: str, seconds: str) -> None:
    """Read `reference.arrow` and `current.arrow` in the folder, and write `report.html` there."""
    _limit(int(memory), int(seconds))
    tune_process()
    _step("loading Evidently")
    from evidently import Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset
    from pyarrow import feather

    base, new = (feather.read_feather(f"{folder}/{name}.arrow") for name in ("reference", "current"))
    _step(
        f"comparing {counted(len(base.columns), 'column')} of {counted(len(new), 'row')} "
        f"with {counted(len(base), 'row')} of the baseline"
    )
    report = Report([DataDriftPreset(), DataSummaryPreset()])
    try:
        done = report.run(new, base)
    except ValueError:
        texts = list(new.select_dtypes(["object", "string"]))
        if not texts or len(texts) == len(new.columns):
            raise
        _step("comparing without the columns of texts, in which Evidently finds no words")
        done = report.run(new.drop(columns=texts), base.drop(columns=texts))
    _step("rendering")
    done.save_html(f"{folder}/report.html")


def _limit(memory: int, seconds: int) -> None:
    os.environ["DO_NOT_TRACK"] = "1"  # before the import: Evidently reports its use otherwise
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # each thread would take address space, and a core from the daemon
    lower_priority(10)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    with contextlib.suppress(OSError):  # not everywhere, and not everywhere allowed
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _step(text: str) -> None:
    sys.stdout.write(f"step: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:4])
