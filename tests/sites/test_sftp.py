"""Bundles by SFTP to a real OpenSSH server: complete or not at all, to the known host only, within a deadline."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.sites.receiving import Inboxes
from monitor.sites.sending import SentBundles, push
from monitor.sites.settings import SftpDestination, SiteDestination
from tests.support.connect_proxy import connect_proxy
from tests.support.log import NOW, running
from tests.support.sites import BASE, append, figures, known, rows_at, settings_in, site
from tests.support.slow_peers import Manner, peer
from tests.support.ssh_server import SshServer, ssh_key, ssh_server

END = NOW + 7200
SERVER = "/usr/lib/openssh/sftp-server"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh")) as made:
        yield made


@pytest.fixture(scope="module")
def made_plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    with site(folder) as (log, store, bundler):
        append(log, store, rows_at(NOW, 30, 1), NOW)
        bundler.make(END)
    return folder


@pytest.fixture
def plant(made_plant: Path, tmp_path: Path) -> Path:
    """The folder of a site with one bundle that waits."""
    shutil.copytree(made_plant / "outbox", tmp_path / "plant" / "outbox")
    return tmp_path / "plant"


def sent(plant: Path, to: SftpDestination) -> SentBundles:
    return push(settings_in(plant, to=SiteDestination(sftp=to)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_arrives_is_merged_as_from_any_folder(server: SshServer, tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    with site(plant) as (log, store, bundler), running(tmp_path) as (_, there):
        for minute in range(3):
            append(log, store, rows_at(NOW + 60 * minute, 20, minute), NOW)
            bundler.make(END)
        done = sent(plant, server.destination())
        assert (len(done.sent), done.waiting, bundler.outbox.waiting()) == (3, 0, [])
        assert names(server.folder) == list(done.sent)
        bundler.outbox.again(bundler.outbox.sent()[0])
        assert len(sent(plant, server.destination()).sent) == 1, "one that is there is exchanged"
        inboxes = Inboxes(there, known(plant, inbox=str(server.folder)), BASE)
        assert sum(one.merged.rows for one in inboxes.look(NOW) if one.merged) == 60
        assert figures(there) == figures(store)
    assert names(server.folder) == []


def test_no_other_host_and_no_other_key_is_accepted(server: SshServer, plant: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (tmp_path / "hosts").write_text(f"[127.0.0.1]:{server.port} {ssh_key(other)}\n")
    (tmp_path / "none").write_text("")
    for known_hosts in ("hosts", "none"):
        told = sent(plant, server.destination(known_hosts=str(tmp_path / known_hosts)))
        assert (told.waiting, told.sent) == (1, ())
        assert told.reason.startswith("the host key of 127.0.0.1 is not the one in")
    assert "refuses the sign-in" in sent(plant, server.destination(key=str(other))).reason
    assert "No such file" in sent(plant, server.destination(known_hosts=str(tmp_path / "missing"))).reason
    assert "No such file" in sent(plant, server.destination(directory="/nowhere/at/all")).reason
    assert names(server.folder) == []
    assert len(sent(plant, server.destination()).sent) == 1


def test_a_proxy_opens_a_tunnel_or_tells_why_not(server: SshServer, plant: Path, tmp_path: Path) -> None:
    with connect_proxy("us er:p@ss") as proxy:
        url = f"http://us%20er:p%40ss@127.0.0.1:{proxy.port}"
        assert len(sent(plant, server.destination(proxy=url)).sent) == 1
        assert proxy.asked == [f"127.0.0.1:{server.port}"]
        (made,) = (plant / "outbox" / "sent").glob("*.wkb")
        assert (server.folder / made.name).read_bytes() == made.read_bytes()
        made.rename(plant / "outbox" / made.name)
        told = sent(plant, server.destination(proxy=f"http://127.0.0.1:{proxy.port}"))
        assert "407 Proxy Authentication Required" in told.reason
        told = sent(plant, server.destination(proxy=url, host="a\r\nX: y"))
        assert "invalid characters" in told.reason
    assert told.waiting == 1


@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP, Manner.FLOOD, Manner.HEADERS, Manner.RESET])
def test_a_proxy_that_misbehaves_is_left(
    plant: Path, manner: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sites.transports.sftp.SECONDS", 0.3)
    ssh_key(plant / "key")
    (plant / "hosts").write_text("")
    to = {"host": "a", "user": "b", "key": str(plant / "key"), "known_hosts": str(plant / "hosts")}
    with peer(manner) as proxy:
        told = sent(plant, SftpDestination.model_validate({**to, "proxy": f"http://127.0.0.1:{proxy.port}"}))
        assert proxy.sent < 20_000_000
    assert told.waiting == 1
    assert told.reason


def test_what_is_cut_has_no_name_and_is_sent_again(plant: Path, tmp_path: Path) -> None:
    """The server goes away in the middle of the file; another one does not know `posix-rename`."""
    (tmp_path / "cut").write_text(f"#!/bin/sh\ndd bs=1 count=1500 status=none | {SERVER}\n")
    (tmp_path / "cut").chmod(0o755)
    with ssh_server(tmp_path / "ssh", str(tmp_path / "cut")) as server:
        told = sent(plant, server.destination())
        assert (told.waiting, told.sent) == (1, ())
        assert [name for name in names(server.folder) if not name.startswith(".")] == []
        folder = server.folder
    with ssh_server(tmp_path / "other", f"{SERVER} -P posix-rename") as server:
        to = server.destination(directory=str(folder))
        assert len(sent(plant, to).sent) == 1
        (made,) = (plant / "outbox" / "sent").glob("*.wkb")
        assert names(folder) == [made.name]
        made.rename(plant / "outbox" / made.name)
        (folder / made.name).write_text("an older one")
        assert len(sent(plant, to).sent) == 1
        assert (folder / made.name).read_bytes() == made.read_bytes()
    with ssh_server(tmp_path / "readonly", f"{SERVER} -R") as server:
        made.rename(plant / "outbox" / made.name)
        assert "ermission denied" in sent(plant, server.destination()).reason


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-slow\r\n", b"x" * 100_000])
def test_a_server_that_says_nothing_more_is_left(
    plant: Path, tmp_path: Path, greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sites.transports.sftp.SECONDS", 0.5)
    key = tmp_path / "key"
    ssh_key(key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(greeting)
                while connection.recv(65_536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        began = time.monotonic()
        (tmp_path / "hosts").write_text(f"127.0.0.1 {key.with_suffix('.pub').read_text()}")
        to = {"host": "127.0.0.1", "port": listening.getsockname()[1], "user": "a", "key": str(key)}
        told = sent(plant, SftpDestination(**to, known_hosts=str(tmp_path / "hosts")))
        assert told.waiting == 1
        assert time.monotonic() - began < 100
        thread.join(300)


def test_the_host_key_is_not_left_to_chance() -> None:
    with pytest.raises(ValidationError, match="known_hosts"):
        SftpDestination(host="a", user="b", key="c")
    with pytest.raises(ValidationError, match="key or password"):
        SftpDestination(host="a", user="b", known_hosts="c")
    known = {"host": "a", "user": "b", "key": "c", "known_hosts": "d"}
    for proxy in ("https://p:1", "p:3128", "http://", "http://p:99999", "http://p\r\n"):
        with pytest.raises(ValidationError, match=r"use http://HOST:PORT"):
            SftpDestination.model_validate({**known, "proxy": proxy})
    with pytest.raises(ValidationError, match="folder and sftp are set"):
        SiteDestination(folder="a", sftp=SftpDestination(host="a", user="b", key="c", known_hosts="d"))


def test_it_is_what_openssh_reads(server: SshServer, plant: Path) -> None:
    """The file as OpenSSH's own client fetches it."""
    (name,) = sent(plant, server.destination()).sent
    made = plant / "outbox" / "sent" / name
    options = [
        f"-oUserKnownHostsFile={server.known_hosts}",
        f"-oIdentityFile={server.key}",
        "-oBatchMode=yes",
    ]
    words = [
        "sftp",
        "-q",
        "-P",
        str(server.port),
        *options,
        f"127.0.0.1:{server.folder}/{name}",
        str(plant / "got"),
    ]
    subprocess.run(words, check=True, timeout=300)
    assert (plant / "got").read_bytes() == made.read_bytes()
