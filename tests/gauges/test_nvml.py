"""GPUs by NVML, with a strict stand-in of NVIDIA's library: the same functions and structures, compiled here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.gauges.machine.nvml import NvmlSettings
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

# The state is a file: return code of nvmlInit, seconds to hang, and per GPU total, used and errors (-1: not supported).
SOURCE = r"""
#include <stdio.h>
#include <unistd.h>
#include <stdint.h>
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
static int begun = 0, count = 0, code = 0;
static long long total[8], used[8], errors[8];
int nvmlInit_v2(void) {
    int hang = 0; FILE *f = fopen(STATE, "r");
    if (fscanf(f, "%d %d %d", &code, &hang, &count) != 3) return 999;
    for (int i = 0; i < count; i++) if (fscanf(f, "%lld %lld %lld", total + i, used + i, errors + i) != 3) return 999;
    fclose(f);
    if (hang) sleep(hang);
    if (!code) begun++;
    return code;
}
int nvmlShutdown(void) { if (!begun) return 1; begun--; return 0; }
const char *nvmlErrorString(int c) { return c == 9 ? "Driver Not Loaded" : "Unknown Error"; }
int nvmlDeviceGetCount_v2(unsigned *n) { if (!begun) return 1; *n = count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) {
    if (begun != 1) return 1;
    if (i >= (unsigned)count) return 2;
    if (total[i] < 0) return 15; /* the GPU is lost */
    *d = (void *)(uintptr_t)(0x7f00000000000000ULL + i); /* needs all 64 bits */
    return 0;
}
static int index_of(void *d) {
    uint64_t i = (uint64_t)(uintptr_t)d - 0x7f00000000000000ULL;
    return i < 8 ? (int)i : -1;
}
int nvmlDeviceGetMemoryInfo(void *d, nvmlMemory_t *m) {
    int i = index_of(d); if (i < 0) return 2;
    m->total = total[i]; m->used = used[i]; m->free = total[i] - used[i]; return 0;
}
int nvmlDeviceGetTotalEccErrors(void *d, int kind, int counter, unsigned long long *n) {
    int i = index_of(d); if (i < 0 || kind != 1 || counter != 0) return 2;
    if (errors[i] < 0) return 3; /* not supported */
    *n = errors[i]; return 0;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(SOURCE)
    made = folder / "libnvidia-ml.so.1"
    state = f'-DSTATE="{folder / "state"}"'
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", state, "-o", str(made), str(folder / "nvml.c")], check=True)
    return made


def state(library: Path, *gpus: tuple[int, int, int], code: int = 0, hang: int = 0) -> None:
    lines = [f"{code} {hang} {len(gpus)}", *(" ".join(map(str, one)) for one in gpus)]
    (library.parent / "state").write_text("\n".join(lines))


def reader(library: Path, timeout: float = 5.0) -> GaugeReader:
    return NvmlSettings(library=str(library), timeout=timeout).make_reader()


def figures(of: GaugeReader) -> dict[tuple[Quantity, str], float]:
    return {(one.quantity, one.resource): one.value for one in of.read()}


def test_memory_and_new_errors_of_each_gpu_are_read(library: Path) -> None:
    made, big = reader(library), 150 << 30
    state(library, (big, big // 4, 7), (big, big, -1), (-1, 0, 0))
    shares = {(Quantity.USED_SHARE, "gpu_memory:0"): 0.25, (Quantity.USED_SHARE, "gpu_memory:1"): 1.0}
    assert figures(made) == shares
    state(library, (big, big // 4, 9), (big, big, -1), (-1, 0, 0))
    assert figures(made) == {**shares, (Quantity.GPU_FAULTS, "gpu:0"): 2.0}
    state(library, (big, big // 4, 1), (big, big, -1), (-1, 0, 0))  # the driver was loaded again
    assert figures(made)[Quantity.GPU_FAULTS, "gpu:0"] == 1.0


def test_a_machine_without_gpus_has_no_figures(library: Path) -> None:
    state(library)
    assert figures(reader(library)) == {}


def test_a_driver_that_is_not_there_or_not_loaded_is_told(library: Path) -> None:
    state(library, code=9)
    with pytest.raises(GaugeError, match=r"nvmlInit_v2 failed: Driver Not Loaded \(9\)"):
        reader(library).read()
    with pytest.raises(GaugeError, match="cannot be used"):
        reader(Path("libnvidia-ml-of-nobody.so.1")).read()
    with pytest.raises(GaugeError, match="cannot be used"):  # another library
        reader(Path("libc.so.6")).read()


def test_a_driver_that_hangs_is_given_up_and_left_alone(library: Path) -> None:
    state(library, hang=1)
    made = reader(library, timeout=0.2)
    with pytest.raises(GaugeError, match="no complete response within"):
        made.read()
    with pytest.raises(GaugeError, match="queried again after ten minutes"):
        made.read()
