"""Azurite, the emulator of Azure's storage, with one container: signs requests by a formula of its own."""

import base64
import hashlib
import hmac
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.support.ports import free_port
from tests.support.waiting import until

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every Azurite: https://learn.microsoft.com/azure/storage/common/storage-use-azurite."""
_VERSION = "2021-12-02"


@dataclass(frozen=True)
class Azurite:
    """The running emulator."""

    endpoint: str

    @property
    def connection(self) -> str:
        """As the portal of Azure shows it."""
        return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint}"

    def put(self, container: str, name: str = "", content: bytes = b"") -> None:
        """Make a container, or store a blob in it."""
        headers = {"x-ms-version": _VERSION, "x-ms-date": formatdate(usegmt=True)}
        headers |= {"x-ms-blob-type": "BlockBlob"} if name else {}
        path = f"/{container}/{quote(name)}" if name else f"/{container}"
        listed = "".join(f"{key}:{headers[key]}\n" for key in sorted(headers))
        length = str(len(content)) if content else ""
        resource = f"/{ACCOUNT}/{ACCOUNT}{path}" + ("" if name else "\nrestype:container")
        text = f"PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{listed}{resource}"
        digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        query = "" if name else "?restype=container"
        answer = httpx2.put(f"{self.endpoint}{path}{query}", content=content, headers=headers)
        assert answer.status_code == 201, answer.text

    def signature(self, container: str, begin: str, end: str) -> str:
        """A shared access signature to read and list a container, between two times."""
        resource = f"/blob/{ACCOUNT}/{container}"
        fields = ["rl", begin, end, resource, "", "", "", _VERSION, "c", "", "", "", "", "", "", ""]
        digest = hmac.new(base64.b64decode(KEY), "\n".join(fields).encode(), hashlib.sha256).digest()
        signature = quote(base64.b64encode(digest).decode(), safe="")
        return f"sv={_VERSION}&sr=c&sp=rl&st={quote(begin)}&se={quote(end)}&sig={signature}"


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """An emulator as long as the context lasts. Skips the test where it is not installed."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed")
    port = free_port()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder), "--silent"]
    with subprocess.Popen([program, *options, "--skipApiVersionCheck", "--disableTelemetry"]) as process:
        try:
            running = Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")
            until(lambda: _answers(running), "Azurite answers")
            yield running
        finally:
            process.kill()


def _answers(running: Azurite) -> bool:
    try:
        return httpx2.get(running.endpoint).status_code > 0
    except httpx2.HTTPError:
        return False
