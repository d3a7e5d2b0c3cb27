"""CPU, memory, disks and out-of-memory kills of the host, and of single processes, from /proc."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from monitor.gauges.machine.kernel_files import number_in, table_in, text_of
from monitor.gauges.reading import GaugeError, Increments, Quantity, Reading

_BYTES_OF_KB = 1024
_FIELDS = 8
"""user, nice, system, idle, iowait, irq, softirq, steal. Time of guests is part of the first two."""


class Host:
    """The host's figures. In a container, /proc shows the host, not the container."""

    def __init__(self, root: Path) -> None:
        self._root, self._proc = root, root / "proc"
        self._ticks: tuple[int, int] | None = None
        self._kills = Increments()

    def read(self, disks: Iterable[str]) -> list[Reading]:
        """CPU since the last reading, memory, out-of-memory kills, and the given disks."""
        readings = [*self._cpu(), *self._memory()]
        if (kills := table_in(self._proc / "vmstat").get("oom_kill")) is not None:
            readings += self._kills.of(Quantity.OUT_OF_MEMORY_KILLS, "memory", kills)
        for disk in disks:
            readings += _disk(self._root, disk)
        return readings

    def memory_bytes(self) -> int | None:
        """All memory of the host."""
        total = table_in(self._proc / "meminfo").get("MemTotal")
        return None if total is None else total * _BYTES_OF_KB

    def _cpu(self) -> list[Reading]:
        lines = (text_of(self._proc / "stat") or "").splitlines()
        words = lines[0].split() if lines else []
        if len(words) <= _FIELDS or words[0] != "cpu":
            return []
        ticks = [int(word) for word in words[1 : _FIELDS + 1]]
        idle, total = ticks[3] + ticks[4], sum(ticks)
        before, self._ticks = self._ticks, (idle, total)
        if before is None or total <= before[1]:
            return []
        share = 1.0 - max(0, idle - before[0]) / (total - before[1])
        return [Reading(Quantity.USED_SHARE, "cpu", max(0.0, share))]

    def _memory(self) -> list[Reading]:
        table = table_in(self._proc / "meminfo")
        total, available = table.get("MemTotal", 0), table.get("MemAvailable")
        if not total or available is None:
            return []
        return [Reading(Quantity.USED_SHARE, "memory", 1.0 - available / total)]


def _disk(root: Path, disk: str) -> list[Reading]:
    """Space and inodes, as `df` shows them: what is reserved for root counts as used up.

    Raises:
        GaugeError: there is no such folder.
    """
    try:
        usage = os.statvfs(root / disk.lstrip("/"))
    except (OSError, ValueError) as error:
        raise GaugeError(f"the disk of {disk!r} cannot be read: {error}", hint="correct `disks`") from error
    readings = []
    used = usage.f_blocks - usage.f_bfree
    if used + usage.f_bavail > 0:
        readings.append(Reading(Quantity.USED_SHARE, f"disk:{disk}", used / (used + usage.f_bavail)))
    used = usage.f_files - usage.f_ffree
    if used + usage.f_favail > 0:
        readings.append(Reading(Quantity.USED_SHARE, f"inodes:{disk}", used / (used + usage.f_favail)))
    return readings


class Processes:
    """Memory of processes whose ids are in files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, pid_files: Mapping[str, str], limit: int | None) -> list[Reading]:
        """Resident memory as a share of `limit` bytes. A process that does not run has no figure."""
        readings = []
        for name, file in pid_files.items():
            pid = number_in(self._root / file.lstrip("/"))
            status = table_in(self._root / "proc" / str(pid) / "status") if pid and pid > 0 else {}
            if limit and "VmRSS" in status:
                share = status["VmRSS"] * _BYTES_OF_KB / limit
                readings.append(Reading(Quantity.USED_SHARE, f"process_memory:{name}", share))
        return readings
