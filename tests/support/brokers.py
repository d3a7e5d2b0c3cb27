"""Real message brokers as processes of their own, on free ports, with their data below a folder of the test."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import until


class Broker:
    """A broker that may be killed and started again with the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> dict[str, str] | None:
        """What it runs in; None for that of the tests."""
        return None

    def answers(self) -> bool:
        """Whether clients can connect."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, and return when it answers."""
        program, *rest = self.command()
        found = shutil.which(program)
        assert found, f"{program} is not installed (.ci/system-packages)"
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [found, *rest],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.answers, f"{program} answers")

    def kill(self) -> None:
        """As a machine that fails."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(300)
            self._process = None
