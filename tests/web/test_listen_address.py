"""An address that is taken is told before anything is started."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from monitor.errors import WatchkeeperError
from monitor.web.listen_address import ensure_free, problem
from tests.support.fork_server import watchkeeper


def test_a_free_address_is_not_refused() -> None:
    assert problem("127.0.0.1", 0) == ""
    ensure_free("localhost", 0)


def test_a_name_that_is_no_machine_is_refused_in_the_systems_words() -> None:
    with pytest.raises(WatchkeeperError, match=r"cannot listen on nobody\.invalid:80"):
        ensure_free("nobody.invalid", 80)


def test_a_daemon_whose_port_is_taken_says_what_to_do_and_touches_nothing_more(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        path = tmp_path / "a.yaml"
        path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\nweb: {{listen: "127.0.0.1:{port}"}}\n')
        done = watchkeeper("run", "-c", str(path))
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use",
        "stop the daemon that uses it, or set another `web.listen`",
    ]
