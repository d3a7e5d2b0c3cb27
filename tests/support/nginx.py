"""A real nginx in front of a daemon that it publishes at a path."""

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


@contextmanager
def publishing(folder: Path, daemon: str, path: str, *, strips: bool, tells: bool = True) -> Iterator[str]:
    """The address at which nginx publishes `daemon`, without `path`. Requests outside the path are answered with 410.

    nginx removes the path (`strips`) or keeps it, and rewrites neither redirects nor cookies. Unless it `tells` so, no
    header says that it passed a request on.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is not installed (apt-get install nginx-light)"
    port, address = free_port(), urlsplit(daemon)
    upstream = f"http://{address.netloc}" + ("/" if strips else "")
    configuration = folder / "nginx.conf"
    header = "proxy_set_header X-Forwarded-For $remote_addr;" if tells else 'proxy_set_header Connection "";'
    user = "user nobody nogroup;" if os.geteuid() == 0 else ""
    rest = "location / { return 410; }" if path else ""
    named = {"rest": rest, "folder": folder, "port": port, "path": path, "upstream": upstream}
    text = _CONFIGURATION.format(**named, header=header, user=user)
    configuration.write_text(text, encoding="utf-8")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"])
    try:
        until(lambda: _is_listening(port), "nginx listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=300)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
