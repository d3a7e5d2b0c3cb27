"""Many idle connections to a daemon that may open few files: it goes on taking, and has descriptors left to tell."""

import socket
from pathlib import Path

from tests.support.daemon import Daemon

FILES = 128
CONFIG = 'web: {listen: "LISTEN", head_within: 60s}\n'


def test_idle_connections_leave_descriptors_for_deliveries_and_the_store(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, CONFIG)
    daemon.prefix = ("prlimit", f"--nofile={FILES}:{FILES}")
    with daemon:
        idle = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(2 * FILES)]
        for number in range(20):
            record = {"id": str(number), "client": "acme", "model": "fraud", "prediction": "ok"}
            assert daemon.post("/v1/predictions", record).status_code == 202
            assert daemon.get("/c/acme/").status_code == 200
        used = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        assert used < FILES - 16
        for one in idle:
            one.close()
