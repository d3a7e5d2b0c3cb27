"""The machine that the daemon runs on, for models that run on it too."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from monitor.config.sections import FileName
from monitor.gauges.machine.container import Container
from monitor.gauges.machine.host import Host, Processes
from monitor.gauges.reading import GaugeReader, Reading
from monitor.gauges.settings import GaugeSettings


class MachineSettings(GaugeSettings):
    """CPU, memory, disks, out-of-memory kills of this machine, and of the daemon's container if it has limits. Linux
    only.
    """

    is_local: ClassVar[bool] = True

    kind: Literal["machine"] = "machine"
    """The machine that the daemon runs on."""
    disks: tuple[FileName, ...] = ("/",)
    """Folders whose disks are watched."""
    pid_files: dict[str, FileName] = {}
    """Files with the ids of processes whose memory is watched, by name, such as `{server: /run/server.pid}`."""
    root: FileName = "/"
    """Where the host's root is mounted, if the daemon runs in a container that watches its host."""

    def make_reader(self) -> GaugeReader:
        """A reader of the kernel's files."""
        return Machine(self)


class Machine:
    """Reads the host, the container and the processes."""

    def __init__(self, settings: MachineSettings) -> None:
        root = Path(settings.root)
        self._settings = settings
        self._host, self._container, self._processes = Host(root), Container(root), Processes(root)

    def read(self) -> Sequence[Reading]:
        """All figures that this machine has."""
        limit = self._container.memory_limit() or self._host.memory_bytes()
        return [
            *self._host.read(self._settings.disks),
            *self._container.read(),
            *self._processes.read(self._settings.pid_files, limit),
        ]
