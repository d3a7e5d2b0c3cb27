"""CPU and memory of the container against its limits, from cgroup version 1 or 2; without a limit, no figure."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from monitor.gauges.machine.kernel_files import number_in, table_in, text_of
from monitor.gauges.reading import Increments, Quantity, Reading

_NO_LIMIT = 1 << 60
"""Version 1 writes a number near 2^63 for "no limit"."""
_CPU, _MEMORY = "container_cpu", "container_memory"


class Container:
    """The control group that this process runs in."""

    def __init__(self, root: Path, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._base = root / "sys" / "fs" / "cgroup"
        self._own = _own_groups(text_of(root / "proc" / "self" / "cgroup") or "")
        self._is_v2 = (self._base / "cgroup.controllers").exists()
        self._elapsed = elapsed
        self._cpu: tuple[float, float] | None = None
        self._counts = Increments()

    def read(self) -> list[Reading]:
        """CPU since the last reading and memory as shares of their limits, throttling, out-of-memory kills."""
        return [*self._cpu_share(), *self._throttling(), *self._memory_share(), *self._kills()]

    def memory_limit(self) -> int | None:
        """Bytes of the tightest limit of this group and those around it; None without a limit."""
        name = "memory.max" if self._is_v2 else "memory.limit_in_bytes"
        limits = [number_in(folder / name) for folder in self._folders("memory")]
        return min((limit for limit in limits if limit is not None and 0 < limit < _NO_LIMIT), default=None)

    def _memory_share(self) -> list[Reading]:
        limit = self.memory_limit()
        usage, inactive = (
            ("memory.current", "inactive_file")
            if self._is_v2
            else ("memory.usage_in_bytes", "total_inactive_file")
        )
        folder = self._folder("memory")
        used = number_in(folder / usage)
        if limit is None or used is None:
            return []
        cache = table_in(folder / "memory.stat").get(inactive, 0)  # the kernel frees it when memory is needed
        return [Reading(Quantity.USED_SHARE, _MEMORY, max(0, used - cache) / limit)]

    def _kills(self) -> list[Reading]:
        name = "memory.events" if self._is_v2 else "memory.oom_control"
        kills = table_in(self._folder("memory") / name).get("oom_kill")
        return [] if kills is None else self._counts.of(Quantity.OUT_OF_MEMORY_KILLS, _MEMORY, kills)

    def _cpu_share(self) -> list[Reading]:
        cores, used, now = self._cores(), self._cpu_seconds(), self._elapsed()
        if cores is None or used is None:
            return []
        before, self._cpu = self._cpu, (used, now)
        if before is None or now <= before[1] or used < before[0]:
            return []
        return [Reading(Quantity.USED_SHARE, _CPU, (used - before[0]) / (now - before[1]) / cores)]

    def _cores(self) -> float | None:
        """The limit in cores, of this group or those around it."""
        return min((one for one in map(self._limit_of, self._folders("cpu")) if one), default=None)

    def _limit_of(self, folder: Path) -> float | None:
        if not self._is_v2:
            quota, period = number_in(folder / "cpu.cfs_quota_us"), number_in(folder / "cpu.cfs_period_us")
            return quota / period if quota and period and quota > 0 else None
        words = (text_of(folder / "cpu.max") or "").split()
        is_limited = len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0
        return int(words[0]) / int(words[1]) if is_limited else None

    def _cpu_seconds(self) -> float | None:
        if self._is_v2:
            used = table_in(self._folder("cpu") / "cpu.stat").get("usage_usec")
            return None if used is None else used / 1e6
        used = number_in(self._folder("cpuacct") / "cpuacct.usage")
        return None if used is None else used / 1e9

    def _throttling(self) -> list[Reading]:
        table = table_in(self._folder("cpu") / "cpu.stat")
        if self._cores() is None or "nr_periods" not in table:
            return []
        return [
            *self._counts.of(Quantity.CPU_PERIODS, _CPU, table["nr_periods"]),
            *self._counts.of(Quantity.CPU_THROTTLED_PERIODS, _CPU, table.get("nr_throttled", 0)),
        ]

    def _folder(self, controller: str) -> Path:
        return next(self._folders(controller))

    def _folders(self, controller: str) -> Iterator[Path]:
        """The folder of this group and of those around it, innermost first.

        In a container, the path may be that of the host, while its own group is mounted at the root.
        """
        mounted = self._base if self._is_v2 else self._base / controller
        folder = mounted / self._own.get("" if self._is_v2 else controller, "").lstrip("/")
        if not folder.is_dir():
            folder = mounted
        while True:
            yield folder
            if folder == mounted:
                return
            folder = folder.parent


def _own_groups(text: str) -> dict[str, str]:
    """The path of this process's group by controller; that of version 2 under the empty name."""
    groups = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            groups[controller] = "" if ".." in path.split("/") else path
    return groups
