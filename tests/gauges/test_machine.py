"""CPU, memory, disks and kills from the kernel's files: recorded trees of both cgroup versions, and this machine."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.gauges.machine.container import Container
from monitor.gauges.machine.host import Host
from monitor.gauges.machine.machine import MachineSettings
from monitor.gauges.reading import GaugeError, Quantity, Reading
from tests.support.thorough import SHARED_FIXTURES

MB = 1 << 20


def tree(root: Path, files: dict[str, str]) -> Path:
    """A file system with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def shares(readings: list[Reading]) -> dict[str, float]:
    return {one.resource: one.value for one in readings if one.quantity is Quantity.USED_SHARE}


HOST = {
    "proc/stat": "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 100 0 100 700 100 0 0 0 50 0\n",
    "proc/meminfo": "MemTotal:       16000 kB\nMemFree: 1000 kB\nMemAvailable:   4000 kB\n",
    "proc/vmstat": "nr_free_pages 1\noom_kill 3\n",
}
V2 = {
    "proc/self/cgroup": "0::/kubepods/pod1/app\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/kubepods/memory.max": "max\n",
    "sys/fs/cgroup/kubepods/pod1/memory.max": f"{100 * MB}\n",
    "sys/fs/cgroup/kubepods/pod1/cpu.max": "200000 100000\n",
    "sys/fs/cgroup/kubepods/pod1/app/memory.max": "max\n",
    "sys/fs/cgroup/kubepods/pod1/app/memory.current": f"{80 * MB}\n",
    "sys/fs/cgroup/kubepods/pod1/app/memory.stat": f"anon 1\ninactive_file {30 * MB}\n",
    "sys/fs/cgroup/kubepods/pod1/app/memory.events": "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\n",
    "sys/fs/cgroup/kubepods/pod1/app/cpu.max": "max 100000\n",
    "sys/fs/cgroup/kubepods/pod1/app/cpu.stat": "usage_usec 1000000\nnr_periods 100\nnr_throttled 10\n",
}
V1 = {
    "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": f"{100 * MB}\n",
    "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": f"{80 * MB}\n",
    "sys/fs/cgroup/memory/docker/abc/memory.stat": f"inactive_file 1\ntotal_inactive_file {30 * MB}\n",
    "sys/fs/cgroup/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "200000\n",
    "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/docker/abc/cpu.stat": "nr_periods 100\nnr_throttled 10\nthrottled_time 5\n",
    "sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage": "1000000000\n",
}
LATER = {
    "v2": {
        "sys/fs/cgroup/kubepods/pod1/app/cpu.stat": "usage_usec 11000000\nnr_periods 200\nnr_throttled 60\n",
        "sys/fs/cgroup/kubepods/pod1/app/memory.events": "oom 2\noom_kill 3\n",
    },
    "v1": {
        "sys/fs/cgroup/cpu/docker/abc/cpu.stat": "nr_periods 200\nnr_throttled 60\n",
        "sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage": "11000000000\n",
        "sys/fs/cgroup/memory/docker/abc/memory.oom_control": "oom_kill 3\n",
    },
}


@pytest.mark.parametrize(("files", "later"), [(V2, LATER["v2"]), (V1, LATER["v1"])], ids=["v2", "v1"])
def test_a_container_is_measured_against_its_tightest_limits(
    tmp_path: Path, files: dict[str, str], later: dict[str, str]
) -> None:
    moments = iter((0.0, 10.0))
    container = Container(tree(tmp_path, files), lambda: next(moments))
    assert container.memory_limit() == 100 * MB
    assert shares(container.read()) == {"container_memory": 0.5}, "cache that the kernel frees is no use"
    tree(tmp_path, later)
    readings = container.read()
    assert shares(readings) == {"container_cpu": 0.5, "container_memory": 0.5}, "10 s of 10 s x 2 cores"
    counted = {one.quantity: one.value for one in readings if one.quantity is not Quantity.USED_SHARE}
    assert counted == {
        Quantity.CPU_PERIODS: 100,
        Quantity.CPU_THROTTLED_PERIODS: 50,
        Quantity.OUT_OF_MEMORY_KILLS: 2,
    }


def test_a_container_that_sees_its_own_group_at_the_root_is_measured(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/../../somewhere/else\n",
        "sys/fs/cgroup/cgroup.controllers": "memory\n",
        "sys/fs/cgroup/memory.max": f"{10 * MB}\n",
        "sys/fs/cgroup/memory.current": f"{5 * MB}\n",
    }
    assert shares(Container(tree(tmp_path, files)).read()) == {"container_memory": 0.5}


def test_without_limits_a_container_has_no_figures(tmp_path: Path) -> None:
    container = Container(tree(tmp_path, {"proc/self/cgroup": "0::/\n"}))
    assert container.read() == []
    assert container.memory_limit() is None


def test_cpu_is_what_was_not_idle_since_the_last_reading(tmp_path: Path) -> None:
    host = Host(tree(tmp_path, HOST))
    assert shares(host.read(())) == {"memory": 0.75}
    tree(tmp_path, {"proc/stat": "cpu  140 0 130 720 105 0 0 5 50 0\n", "proc/vmstat": "oom_kill 5\n"})
    readings = host.read(())
    assert shares(readings)["cpu"] == pytest.approx(0.75), "75 of 100 ticks; iowait is idle"
    assert Reading(Quantity.OUT_OF_MEMORY_KILLS, "memory", 2) in readings


def test_this_machine_has_plausible_figures_and_the_disk_is_that_of_df() -> None:
    reader = MachineSettings(disks=("/",), pid_files={"self": "/proc/self/nothing"}).make_reader()
    found = shares(list(reader.read()))
    assert 0 < found["memory"] < 1
    disk = os.statvfs("/")
    used = disk.f_blocks - disk.f_bfree
    assert found["disk:/"] == pytest.approx(used / (used + disk.f_bavail), abs=0.01)


def test_memory_of_a_process_is_a_share_of_the_machine_and_one_that_does_not_run_is_unknown(
    tmp_path: Path,
) -> None:
    root = tree(
        tmp_path,
        HOST
        | {
            "run/server.pid": "77\n",
            "run/gone.pid": "78\n",
            "run/odd.pid": "not a number",
            "proc/77/status": "Name:\tserver\nVmRSS:\t    4000 kB\n",
        },
    )
    named = {name: f"/run/{name}.pid" for name in ("server", "gone", "odd", "missing")}
    section = MachineSettings(disks=(), pid_files=named, root=str(root))
    found = shares(list(section.make_reader().read()))
    assert {name for name in found if name.startswith("process")} == {"process_memory:server"}
    assert found["process_memory:server"] == 0.25


def test_a_disk_that_is_not_there_is_told(tmp_path: Path) -> None:
    reader = MachineSettings(disks=("/nowhere",), root=str(tree(tmp_path, HOST))).make_reader()
    with pytest.raises(GaugeError, match="'/nowhere' cannot be read"):
        reader.read()


@settings(suppress_health_check=SHARED_FIXTURES)
@given(data=st.data())
def test_law_whatever_the_kernel_writes_shares_are_shares_and_nothing_raises(
    tmp_path: Path, data: st.DataObject
) -> None:
    files = data.draw(st.sampled_from((V1, V2))) | HOST
    odd = st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            ["max", "-1", "0", "0 0", "max 0", "1 0", "9" * 40, "cpu " + "0 " * 10, "oom_kill x"]
        ),
    )
    for name in data.draw(st.sets(st.sampled_from(sorted(files)), max_size=6)):
        files[name] = data.draw(odd)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(files[name], encoding="utf-8", errors="replace")
    host, container = Host(tmp_path), Container(tmp_path)
    for _ in range(2):
        for one in [*host.read(()), *container.read()]:
            assert one.value >= 0, one
