"""Files and folders of a daemon and of commands: 0600 and 0700, whatever the user's shell would give them."""

import stat
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.traffic import prediction, send


def test_nobody_else_can_read_what_a_daemon_and_commands_write(tmp_path: Path) -> None:
    config = (
        f'store: {{url: "sqlite:///{tmp_path}/var/deep/watchkeeper.db"}}\n'
        f'notify: {{file: {{path: "{tmp_path}/sent/file"}}, console: false}}\n'
    )
    daemon = Daemon(tmp_path, config)
    mine = {daemon.config}
    with daemon:
        send(daemon, [prediction() for _ in range(5)])
        mine.add(daemon.log)
        done = watchkeeper("backup", str(tmp_path / "copies"), "-c", str(daemon.config))
        assert done.returncode == 0, done.stderr
        modes = {
            path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode)
            for path in tmp_path.rglob("*")
            if path not in mine
        }
    assert {"var/deep/watchkeeper.db", "var/deep/watchkeeper.db-wal", "copies"} <= modes.keys()
    assert {name: mode for name, mode in modes.items() if mode not in (0o600, 0o700)} == {}
