"""Files by path or URL, with wildcards: local, or in an object store.

S3 is configured as in every AWS tool: by `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
`AWS_ENDPOINT_URL_S3` (or `AWS_ENDPOINT_URL`), profiles and instance roles. Google Cloud Storage is configured by
`GOOGLE_APPLICATION_CREDENTIALS`, or by the machine that it runs on. Azure Blob Storage is configured by
`AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN`, or by the identity of the machine.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import re2

from monitor.errors import InputError
from monitor.runtime import call_timeout
from monitor.sources.causes import AWS_EXPIRED, AWS_LOGIN, GOOGLE_LOGIN, MACHINE_AUTHORITY, Advice
from monitor.sources.files.local import KINDS, ending
from monitor.sources.files.remote.azure_blobs import AzureBlobs, BlobFile
from monitor.sources.files.remote.google_file import GoogleFile
from monitor.sources.files.remote.sized_file import RemoteFile, SizedFile
from monitor.text_limits import storable

if TYPE_CHECKING:
    from pyarrow import fs  # seven megabytes, which only those pay who list files

LISTING_SECONDS = 300.0
"""Deadline for listing the objects of one source."""
_RETRY_SECONDS = 20
"""For which Google's client tries again where nobody answers."""
_HINT = "use a path, or s3://bucket/... with the AWS variables set"
_GOOGLE = ("gs", "gcs")
_OF_GOOGLE = Advice(
    "use gs://bucket/... with GOOGLE_APPLICATION_CREDENTIALS set to a key file",
    login=GOOGLE_LOGIN,
    right="grant storage.buckets.get, storage.objects.list and storage.objects.get",
    authority=MACHINE_AUTHORITY,
    expired=GOOGLE_LOGIN,
)
_OF_AWS = Advice(
    _HINT,
    login=AWS_LOGIN,
    right="grant s3:ListBucket and s3:GetObject",
    authority=MACHINE_AUTHORITY,
    expired=AWS_EXPIRED,
)
_STATUS = re.compile(
    r"google::cloud::Status\((\w+): (?:.*?with a last message of )?(.*?) error_info=.*", re.DOTALL
)
"""How Google's client tells an error: its kind and the words of the server, among much about itself."""
_AZURE = ("abfs", "abfss", "wasb", "wasbs", "az")
_OF_AZURE = Advice(
    "use abfs://container@account.dfs.core.windows.net/folder, with the AZURE_STORAGE variables set",
    login="correct AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, "
    "or give this machine an identity",
    right="grant the role Storage Blob Data Reader, or a signature with the rights to read and list",
    authority=MACHINE_AUTHORITY,
    expired="renew the shared access signature, and restart",
)
_UNNAMED = re.compile(r"no response body", re.IGNORECASE)
"""An error of S3 whose answer has no room for a reason: that to a HEAD request."""
_WILD = re.compile(r"[*?\[]")


class Files(Protocol):
    """A file system of Arrow, or one with the same answers."""

    def get_file_info(self, what: "fs.FileSelector | list[str]") -> "list[fs.FileInfo]":
        """What is known of paths, or of all below a folder."""


@dataclass(frozen=True, slots=True)
class Location:
    """One file: its full name, its path in the file system, and its size in bytes.

    `modified` is when it was last written, in seconds since the epoch; 0 where the file system does not know.
    """

    name: str
    path: str
    size: int
    files: Files
    modified: float = 0.0

    @property
    def suffix(self) -> str:
        """The suffix that determines the format, in lower case."""
        return ending(self.path)

    def open(self) -> pa.NativeFile:
        """Open the file for random access. Each call to an object store has a deadline.

        Raises:
            OSError: the file cannot be read.
        """
        from pyarrow import fs

        if isinstance(self.files, fs.LocalFileSystem):
            return self.files.open_input_file(self.path)
        return pa.PythonFile(self._remote(), mode="r")

    def _remote(self) -> SizedFile:
        if isinstance(self.files, AzureBlobs):
            return BlobFile(self.path, self.size)
        if _scheme(self.name) in _GOOGLE:
            return GoogleFile(self.path, self.size)
        return RemoteFile(self.files, self.path, self.size)


def location_of(name: str) -> Location:
    """The file with this name.

    Raises:
        InputError: it does not exist, or its file system cannot be reached.
    """
    from pyarrow import fs

    files, path = _system(name)
    with _as_input_errors(name):
        info = _listed(files, [path])[0]
    if info.type != fs.FileType.File:
        raise InputError(
            f"{name} does not exist" if info.type == fs.FileType.NotFound else f"{name} is not a file"
        )
    return Location(name, path, info.size, files)


def explained(source: str, error: Exception, usual: str = "") -> tuple[str, str]:
    """What an object store says, and what to do about it; `usual` where nothing else is known."""
    words = str(error)
    if (status := _STATUS.search(words)) is not None:
        words = f"{status[1]}: {status[2]}"
    words = words.partition("\n")[0]
    scheme = _scheme(source)
    advice = _OF_GOOGLE if scheme in _GOOGLE else _OF_AZURE if scheme in _AZURE else _OF_AWS
    return words, (replace(advice, usual=usual) if usual else advice).hint(words)


def _scheme(source: str) -> str:
    return source.partition("://")[0].lower() if "://" in source else ""


def find_locations(sources: Sequence[str], kinds: Sequence[str] = KINDS) -> list[Location]:
    """All files that the sources match, sorted and without duplicates.

    A source is a file, a folder (all files of the given suffixes in it, recursively), or a pattern with `*`, `?`,
    `[...]` in names and `**` for any number of folders.

    Raises:
        InputError: a source matches no file, or its file system cannot be reached.
    """
    by_name: dict[str, Location] = {}
    for source in sources:
        matches = _wild(source) if _WILD.search(source) else _plain(source, kinds)
        if not matches:
            raise InputError(
                f"{source} matches no file",
                hint=f"in a folder, files with these suffixes are read: {', '.join(kinds)}",
            )
        by_name |= {match.name: match for match in matches}
    return list(by_name.values())


def matching(source: str) -> list[Location]:
    """All files that a folder or a pattern matches; none if it matches none.

    Raises:
        InputError: its file system cannot be reached, or has no such bucket.
    """
    from pyarrow import fs

    files, path = _system(source)
    bucket = path.partition("/")[0]
    with _as_input_errors(source):
        is_there = not bucket or _listed(files, [bucket])[0].type != fs.FileType.NotFound
    if not is_there:
        raise InputError(f"{source} cannot be reached: there is no bucket {bucket}", hint=_HINT)
    if _WILD.search(source):
        return _wild(source)
    return _below(source, files, path)


def _plain(source: str, kinds: Sequence[str]) -> list[Location]:
    from pyarrow import fs

    files, path = _system(source)
    with _as_input_errors(source):
        info = _listed(files, [path])[0]
    if info.type == fs.FileType.File:
        return [Location(source, path, info.size, files)]
    if info.type == fs.FileType.NotFound:
        raise InputError(f"{source} does not exist")
    below = _below(source, files, path)
    return [place for place in below if place.suffix in kinds]


def _wild(source: str) -> list[Location]:
    files, path = _system(source)
    parts = path.split("/")
    first = next(number for number, part in enumerate(parts) if _WILD.search(part))
    pattern = _pattern(path)
    return [
        place
        for place in _below(source, files, "/".join(parts[:first]) or "/")
        if pattern.fullmatch(storable(place.path))
    ]


def _below(source: str, files: Files, folder: str) -> list[Location]:
    from pyarrow import fs

    selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
    scheme = source.partition("://")[0] + "://" if "://" in source else ""
    with _as_input_errors(source):
        listed = _listed(files, selector)
    return [
        Location(scheme + info.path, info.path, info.size, files, _modified(info))
        for info in sorted(listed, key=lambda info: info.path)
        if info.type == fs.FileType.File and info.size
    ]


def _listed(files: Files, what: "fs.FileSelector | list[str]") -> "list[fs.FileInfo]":
    """What a file system says of paths, or of all below a folder."""
    from pyarrow import fs

    if isinstance(files, fs.LocalFileSystem):
        return list(files.get_file_info(what))
    return call_timeout.within(LISTING_SECONDS, lambda: list(files.get_file_info(what)), limits_memory=True)


def _modified(info: "fs.FileInfo") -> float:
    return 0.0 if info.mtime is None else float(info.mtime.timestamp())


def _pattern(path: str) -> Any:
    """A regular expression for a path with wildcards: `*` and `?` stay within a name, `**/` is any number of
    folders. It is RE2's, linear in time: names are chosen by whoever may write files there.

    Raises:
        InputError: a set of characters cannot be read.
    """
    pattern = ""
    for token in re.findall(r"\*\*/|\*|\?|\[[^\]]+\]|[^*?\[]+|\[", path):
        simple = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
        is_set = token.startswith("[") and token.endswith("]")
        pattern += simple.get(token) or (token.replace("[!", "[^") if is_set else re.escape(token))
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise InputError(f"{path} is not a file pattern: {error}", hint="such as logs/*.csv") from error


def _system(source: str) -> tuple[Files, str]:
    """The file system of a source, and the path in it."""
    from pyarrow import fs

    scheme, separator, rest = source.partition("://")
    if not separator:
        return fs.LocalFileSystem(), str(Path(source).absolute())
    if scheme in ("s3", "s3a"):
        with _as_input_errors(source):
            options = s3_options(os.environ)
            made = call_timeout.within(LISTING_SECONDS, lambda: fs.S3FileSystem(**options))
        return made, rest.rstrip("/")
    if scheme.lower() in _AZURE:
        return AzureBlobs(), rest.rstrip("/")
    if scheme.lower() in _GOOGLE:
        with _as_input_errors(source):
            return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_RETRY_SECONDS)), rest.rstrip("/")
    plain = _WILD.split(source, maxsplit=1)[0]
    with _as_input_errors(source):
        files, path = call_timeout.within(LISTING_SECONDS, lambda: fs.FileSystem.from_uri(plain))
    return files, path + source[len(plain) :]


def s3_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Options from AWS variables that Arrow does not read itself: endpoint and region."""
    options: dict[str, str] = {}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        address = urlsplit(endpoint)
        options = {"endpoint_override": address.netloc or endpoint, "scheme": address.scheme or "https"}
    return options | ({"region": region} if region else {})


@contextmanager
def _as_input_errors(source: str) -> Iterator[None]:
    """Convert errors of the file system to an `InputError` with the source."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason, hint = explained(source, error)
        if _UNNAMED.search(reason) and (in_full := _refusal_in_full(source)) is not None:
            reason, hint = explained(source, in_full)
        raise InputError(f"{source} cannot be reached: {reason}", hint=hint) from error


def _refusal_in_full(source: str) -> Exception | None:
    """The refusal of S3 of a request whose answer has room for a reason; None if it does not refuse that one."""
    from pyarrow import fs

    try:
        files, path = _system(_WILD.split(source, maxsplit=1)[0])
        folder = fs.FileSelector(path.rpartition("/")[0] or path, allow_not_found=True)
        call_timeout.within(LISTING_SECONDS, lambda: files.get_file_info(folder), limits_memory=True)
    except (pa.ArrowException, OSError, InputError) as error:
        return error
    return None
