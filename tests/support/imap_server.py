"""A real IMAP server (Dovecot) over a Maildir."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from monitor.sites.settings import ImapMailbox
from tests.support.ports import free_port
from tests.support.waiting import until

PROGRAM = shutil.which("dovecot") or "/usr/sbin/dovecot"
PASSWORD = 'pass "word\\'
_CONFIG = """
base_dir = {run}
state_dir = {run}
log_path = {place}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
mail_location = maildir:{maildir}
first_valid_uid = {uid}
first_valid_gid = {gid}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {place}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={place}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{place}/server.pem
ssl_key = <{place}/server.key
"""


@dataclass(frozen=True)
class ImapServer:
    """A running server: its ports, the certificate that it is trusted by, and its Maildir."""

    plain: int
    tls: int
    ca_file: Path
    maildir: Path

    def mailbox(self, **more: object) -> ImapMailbox:
        """The settings of a daemon that reads here."""
        usual = {"host": "127.0.0.1", "port": self.tls, "user": "bundles", "password": PASSWORD}
        return ImapMailbox.model_validate(usual | {"ca_file": str(self.ca_file)} | more)


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    """A running server in a folder of its own. As root, its processes are another user's, who cannot enter pytest's."""
    with TemporaryDirectory(prefix="imap-") as folder:
        Path(folder).chmod(0o755)
        with _running(Path(folder)) as server:
            yield server


@contextmanager
def _running(place: Path) -> Iterator[ImapServer]:
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    maildir, run = place / "mails", place / "run"
    for folder in (place, run, maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    made = trustme.CA()
    made.cert_pem.write_to_path(place / "ca.pem")
    issued = made.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(place / "server.pem")
    issued.private_key_pem.write_to_path(place / "server.key")
    (place / "users").write_text(f"bundles:{{PLAIN}}{PASSWORD}\n")
    server = ImapServer(free_port(), free_port(), place / "ca.pem", maildir)
    values = {"place": place, "run": run, "maildir": maildir, "plain": server.plain, "tls": server.tls}
    values |= {"user": owner.pw_name, "group": "nogroup" if os.getuid() == 0 else "users"}
    (place / "config").write_text(_CONFIG.format(**values, uid=owner.pw_uid, gid=owner.pw_gid))
    log = place / "log"
    log.touch()
    with (place / "errors").open("wb") as errors:
        running = subprocess.Popen([PROGRAM, "-F", "-c", str(place / "config")], stderr=errors)
    try:
        until(lambda: "starting up" in log.read_text(), "Dovecot runs")
        yield server
    finally:
        running.terminate()
        running.wait(300)
