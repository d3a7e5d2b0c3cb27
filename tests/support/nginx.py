"""A real nginx in front of a daemon: one that publishes it at a path, and one that counts what it passes on."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.ports import free_port
from tests.support.waiting import until

_CONFIGURATION = """
daemon off;
{user}
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_max_temp_file_size 0;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location {path}/ {{
      proxy_pass {upstream};
      proxy_redirect off;
      proxy_http_version 1.1;
      {header}
    }}
    {rest}
  }}
}}
"""

_COUNTING = """
daemon off;
{user}
pid {folder}/pid;
error_log stderr emerg;
events {{ worker_connections 64; }}
http {{
  log_format passed "$request_uri $status $upstream_status";
  access_log {folder}/passed.log passed;
  client_body_timeout 5s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream kept {{ server {upstream}; keepalive 1; }}
  underscores_in_headers on;
  ignore_invalid_headers off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_next_upstream off;
  proxy_ignore_client_abort on;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://kept; proxy_request_buffering {buffering}; }}
  }}
}}
"""


@contextmanager
def publishing(folder: Path, daemon: str, path: str, *, strips: bool, tells: bool = True) -> Iterator[str]:
    """The address at which nginx publishes `daemon`, without `path`. Requests outside the path are answered with 410.

    nginx removes the path (`strips`) or keeps it, and rewrites neither redirects nor cookies. Unless it `tells` so, no
    header says that it passed a request on.
    """
    port, address = free_port(), urlsplit(daemon)
    upstream = f"http://{address.netloc}" + ("/" if strips else "")
    header = "proxy_set_header X-Forwarded-For $remote_addr;" if tells else 'proxy_set_header Connection "";'
    rest = "location / { return 410; }" if path else ""
    named = {"rest": rest, "folder": folder, "port": port, "path": path, "upstream": upstream}
    with _running(folder, port, _CONFIGURATION.format(**named, header=header, user=_user())):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def counting(folder: Path, daemon: str, *, buffering: bool) -> Iterator[tuple[int, Path]]:
    """The port at which nginx passes every request on to `daemon`, over one connection that it keeps, and the file in
    which it writes the address of each, its own status, and the daemon's (`-` if it was not passed on).

    It sends a body once it is whole (`buffering`), or as it comes in; and whatever header it gets.
    """
    port, upstream = free_port(), urlsplit(daemon).netloc
    named = {"folder": folder, "port": port, "upstream": upstream, "buffering": "on" if buffering else "off"}
    with _running(folder, port, _COUNTING.format(**named, user=_user())):
        yield port, folder / "passed.log"


def _user() -> str:
    return "user nobody nogroup;" if os.geteuid() == 0 else ""


@contextmanager
def _running(folder: Path, port: int, text: str) -> Iterator[None]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is not installed (apt-get install nginx-light)"
    configuration = folder / "nginx.conf"
    configuration.write_text(text, encoding="utf-8")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"])
    try:
        until(lambda: _is_listening(port), "nginx listens")
        yield
    finally:
        process.terminate()
        process.wait(timeout=300)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
