"""Blobs of Azure, listed and read by its REST API (https://learn.microsoft.com/rest/api/storageservices).

Arrow's client for it ends the whole process where a login fails or an answer cannot be read.

Paths begin with the container, and with the account where the address names one:
`orders@acme.dfs.core.windows.net/calls/a.jsonl`.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from monitor import outgoing
from monitor.sources.files.remote.azure_account import account_of, signed
from monitor.sources.files.remote.sized_file import READ_SECONDS, SizedFile

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pyarrow import fs

MOST_AT_ONCE, _MOST_LISTING = 5000, 32 << 20
"""Names in one answer, and its bytes."""
_MOST_REFUSAL = 65_536
_MOST_BLOBS = 1_000_000


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob: its name in the container, its size in bytes, and when it was written, in seconds since the epoch."""

    name: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer: its status, the code of its error, and its body."""

    status: int
    code: str
    content: bytes


class AzureBlobs:
    """What Arrow's file systems offer, of containers of Azure."""

    def get_file_info(self, what: "fs.FileSelector | list[str]") -> "list[fs.FileInfo]":
        """What is known of paths, or of all blobs below a folder.

        Raises:
            OSError: the container cannot be listed.
        """
        if isinstance(what, list):
            return [_info(path) for path in what]
        root, _, folder = what.base_dir.partition("/")
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        return [_file(root, blob) for blob in listed(root, prefix)]


class BlobFile(SizedFile):
    """A blob."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(size)
        self._root, _, self._name = path.partition("/")

    def _part(self, size: int) -> bytes:
        span = f"bytes={self._at}-{self._at + size - 1}"
        answer = _call(self._root, self._name, {}, {"x-ms-range": span}, size + _MOST_REFUSAL)
        if answer.status != 206:
            raise _refused(answer)
        return answer.content


def listed(root: str, prefix: str, most: int = _MOST_BLOBS) -> Iterator[Blob]:
    """The blobs of a container whose names begin so, `most` at most.

    Raises:
        OSError: it cannot be listed.
    """
    marker = ""
    while most > 0:
        query = {"restype": "container", "comp": "list", "maxresults": str(min(most, MOST_AT_ONCE))}
        query |= {"prefix": prefix} if prefix else {}
        query |= {"marker": marker} if marker else {}
        answer = _call(root, "", query, {}, _MOST_LISTING)
        if answer.status != 200:
            raise _refused(answer)
        blobs, following = read_list(answer.content)
        yield from blobs[:most]
        most -= max(1, len(blobs))
        if not following or following == marker:
            return
        marker = following


def _info(path: str) -> "fs.FileInfo":
    from pyarrow import fs

    root, _, name = path.partition("/")
    if name:
        first = next(iter(listed(root, name, 1)), None)  # of names with this beginning, itself is the first
        if first is not None and first.name == name:
            return _file(root, first)
    try:
        is_there = bool(list(listed(root, f"{name}/" if name else "", 1))) or not name
    except FileNotFoundError:  # the container is gone
        is_there = False
    return fs.FileInfo(path, type=fs.FileType.Directory if is_there else fs.FileType.NotFound)


def _file(root: str, blob: Blob) -> "fs.FileInfo":
    from pyarrow import fs

    return fs.FileInfo(f"{root}/{blob.name}", type=fs.FileType.File, size=blob.size, mtime=blob.modified)


def _call(root: str, name: str, query: dict[str, str], headers: dict[str, str], most: int) -> _Answer:
    container, _, host = root.partition("@")
    account = account_of(host, os.environ)
    path = f"/{container}/{name}" if name else f"/{container}"
    url, sent = signed(account, path, query, headers)
    try:
        with outgoing.client(READ_SECONDS, most_bytes=most) as client:
            response = client.get(url, headers=sent)
    except outgoing.FAILURES as error:
        raise OSError(outgoing.reason(error)) from error
    return _Answer(response.status_code, response.headers.get("x-ms-error-code", ""), bytes(response.content))


def read_list(content: bytes) -> tuple[list[Blob], str]:
    """The blobs of an answer, and where the next one begins."""
    try:
        tree = _tree(content)
        blobs = [_blob(one) for one in tree.iterfind("Blobs/Blob")]
    except (ValueError, OverflowError, RecursionError) as error:
        raise OSError(
            f"invalid response: the list of blobs cannot be read ({type(error).__name__})"
        ) from error
    return blobs, (tree.findtext("NextMarker") or "").strip()


def _tree(content: bytes) -> "Element":
    from xml.etree import ElementTree  # which only a daemon that reads Azure needs

    text = content.decode("utf-8-sig")  # in UTF-16, a document type would not be seen
    if "\0" in text or "<!DOCTYPE" in text.upper():
        raise ValueError("UTF-16 or a document type, which Azure never sends")
    try:
        return ElementTree.fromstring(text)  # noqa: S314  # entities need a document type
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from error


def _blob(element: "Element") -> Blob:
    named = element.find("Name")
    if named is None or not named.text:
        raise ValueError("a blob has no name")
    name = unquote(named.text) if named.get("Encoded") == "true" else named.text
    size = _size(element.findtext("Properties/Content-Length") or "")
    return Blob(name, size, _moment(element.findtext("Properties/Last-Modified") or ""))


def _size(text: str) -> int:
    size = int(text)
    if not 0 <= size < 1 << 63:
        raise ValueError("a size is negative or too large")
    return size


def _moment(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _refused(answer: _Answer) -> OSError:
    """The refusal of a request, in the words of the service."""
    code, message, detail = answer.code, "", ""
    with contextlib.suppress(ValueError, RecursionError):
        tree = _tree(answer.content)
        code = tree.findtext("Code") or code
        message = (tree.findtext("Message") or "").partition("\n")[0]
        detail = tree.findtext("AuthenticationErrorDetail") or ""
    words = ": ".join(part for part in (f"HTTP {answer.status}", code, message, detail) if part)
    kind = FileNotFoundError if answer.status == 404 else OSError
    return kind(words[:500])
