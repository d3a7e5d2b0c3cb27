"""Bundles into a folder of an SFTP server whose host key is known. A file has its name once it is complete."""

import asyncio
import contextlib
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.outgoing import CallBudget, reason
from monitor.outgoing.sockets import connected_socket
from monitor.sites.settings import SftpDestination
from monitor.sites.transports.transport import SECONDS, TryAgainError
from monitor.visible import one_line

_HINT = "pip install 'watchkeeper[sftp]'"
_BLOCK = 32_768


class Sftp:
    """Writes bundles over one connection, which is opened for the first bundle and again after a failure."""

    def __init__(self, to: SftpDestination) -> None:
        """Load the library.

        Raises:
            InputError: it is not installed.
        """
        try:
            self._library = import_module("asyncssh")
        except ModuleNotFoundError as error:
            raise InputError("SFTP needs the package asyncssh, which is not installed", hint=_HINT) from error
        self._to = to
        self._runner = asyncio.Runner()
        self._connection: Any = None
        self._files: Any = None

    def send(self, path: Path) -> str:
        """Write a bundle. Whatever fails says nothing about the bundle.

        Raises:
            TryAgainError: the server is not the known one, refuses the key or the file, or does not answer in time.
        """
        content, budget = path.read_bytes(), CallBudget(SECONDS)
        try:
            if self._connection is None:
                plain = connected_socket(
                    self._to.host, self._to.port, budget, self._to.proxy.get_secret_value()
                )
                self._runner.run(self._in_time(self._sign_in(plain), budget))
            self._runner.run(self._in_time(self._write(path.name, content), budget))
        except TimeoutError as error:
            self._drop()
            raise TryAgainError(f"the SFTP server has not taken it within {SECONDS:.0f} s") from error
        except (self._library.Error, OSError, EOFError, ValueError, ImportError) as error:
            self._drop()
            raise TryAgainError(self._words(error)) from error
        return ""

    def close(self) -> None:
        """Close the connection, without waiting for the server."""
        self._drop()
        self._runner.close()

    @staticmethod
    async def _in_time(step: Any, budget: CallBudget) -> None:
        async with asyncio.timeout(budget.left()):
            await step

    async def _sign_in(self, plain: socket.socket) -> None:
        """Nothing of the user's own SSH configuration counts: no agent, no other keys or known hosts."""
        to = self._to
        password = to.password.get_secret_value() if to.password else None
        try:
            self._connection = await self._library.connect(
                to.host, to.port, sock=plain, config=None, known_hosts=to.known_hosts, username=to.user,
                client_keys=[to.key] if to.key else None, password=password, agent_path=None, passphrase=None,
                gss_host=None, x509_trusted_certs=None, disable_trivial_auth=True, login_timeout=SECONDS,
            )  # fmt: skip
            self._files = await self._connection.start_sftp_client()
        except BaseException:
            plain.close()
            raise

    async def _write(self, name: str, content: bytes) -> None:
        files, folder = self._files, self._to.directory.rstrip("/") or "/"
        part, whole = f"{folder}/.{name}.part", f"{folder}/{name}"
        async with files.open(part, "wb") as file:
            for start in range(0, len(content), _BLOCK):
                await file.write(content[start : start + _BLOCK])
            with contextlib.suppress(self._library.SFTPOpUnsupported):
                await file.fsync()
        size = (await files.stat(part)).size
        if size != len(content):
            raise ValueError(f"the server has {size} of {len(content)} bytes")
        try:
            await files.posix_rename(part, whole)
        except self._library.SFTPOpUnsupported:  # then a file that is there is in the way
            with contextlib.suppress(self._library.SFTPNoSuchFile):
                await files.remove(whole)
            await files.rename(part, whole)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._files = None

    def _words(self, error: BaseException) -> str:
        if isinstance(error, self._library.HostKeyNotVerifiable):
            return f"the host key of {self._to.host} is not the one in {self._to.known_hosts}: {one_line(str(error))}"
        if isinstance(error, self._library.PermissionDenied):
            return f"the SFTP server refuses the sign-in of {self._to.user}: {one_line(str(error))}"
        return f"SFTP: {reason(error)}"
