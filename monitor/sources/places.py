"""Where files lie: on this machine, or in an object store; named by a path or an address, with wildcards.

An S3 store is reached as every AWS tool reaches it: by `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
`AWS_ENDPOINT_URL_S3` (or `AWS_ENDPOINT_URL`), profiles and instance roles.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from monitor.errors import InputError
from monitor.sources.local import KINDS, ending

_HINT = "use a path, or s3://bucket/... with the AWS variables set"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Place:
    """One file: its full name as people write it, where its file system finds it, and its size in bytes."""

    name: str
    path: str
    size: int
    files: fs.FileSystem

    @property
    def suffix(self) -> str:
        """The end of the name that says what kind of file it is, in small letters."""
        return ending(self.path)

    def open(self) -> pa.NativeFile:
        """The file for reading at any place in it.

        Raises:
            OSError: it cannot be read.
        """
        return self.files.open_input_file(self.path)


def at(name: str) -> Place:
    """The one file of this name.

    Raises:
        InputError: it does not exist, or its file system does not answer.
    """
    files, path = _system(name)
    with _telling(name):
        found = files.get_file_info([path])[0]
    if found.type != fs.FileType.File:
        raise InputError(
            f"{name} does not exist" if found.type == fs.FileType.NotFound else f"{name} is no file"
        )
    return Place(name, path, found.size, files)


def find(sources: Sequence[str], kinds: Sequence[str] = KINDS) -> list[Place]:
    """Every file that the sources name, in order and each once. A source is a file, a folder (all files of a known
    kind in it and below), or a name with `*`, `?`, `[...]` in a folder's or file's name and `**` for any folders.

    Raises:
        InputError: a source names no file, or its file system does not answer.
    """
    found: dict[str, Place] = {}
    for source in sources:
        places = _wild(source) if _WILD.search(source) else _plain(source, kinds)
        if not places:
            raise InputError(f"{source} names no file", hint=f"files of a folder end in {', '.join(kinds)}")
        found |= {place.name: place for place in places}
    return list(found.values())


def _plain(source: str, kinds: Sequence[str]) -> list[Place]:
    files, path = _system(source)
    with _telling(source):
        known = files.get_file_info([path])[0]
    if known.type == fs.FileType.File:
        return [Place(source, path, known.size, files)]
    if known.type == fs.FileType.NotFound:
        raise InputError(f"{source} does not exist")
    below = _below(source, files, path)
    return [place for place in below if place.suffix in kinds]


def _wild(source: str) -> list[Place]:
    files, path = _system(source)
    parts = path.split("/")
    first = next(number for number, part in enumerate(parts) if _WILD.search(part))
    fits = _pattern(path)
    return [
        place for place in _below(source, files, "/".join(parts[:first]) or "/") if fits.fullmatch(place.path)
    ]


def _below(source: str, files: fs.FileSystem, folder: str) -> list[Place]:
    selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
    scheme = source.partition("://")[0] + "://" if "://" in source else ""
    with _telling(source):
        listed = files.get_file_info(selector)
    return [
        Place(scheme + info.path, info.path, info.size, files)
        for info in sorted(listed, key=lambda info: info.path)
        if info.type == fs.FileType.File and info.size
    ]


def _pattern(path: str) -> re.Pattern[str]:
    """A regular expression for a path with wildcards: `*` and `?` stay inside a name, `**/` is any folders or none."""
    found = ""
    for token in re.findall(r"\*\*/|\*|\?|\[[^\]]+\]|[^*?\[]+|\[", path):
        simple = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
        is_set = token.startswith("[") and token.endswith("]")
        found += simple.get(token) or (token.replace("[!", "[^") if is_set else re.escape(token))
    return re.compile(found)


def _system(source: str) -> tuple[fs.FileSystem, str]:
    """The file system of a source, and the path in it."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        return fs.LocalFileSystem(), str(Path(source).absolute())
    if scheme in ("s3", "s3a"):
        with _telling(source):
            return fs.S3FileSystem(**s3_options(os.environ)), rest.rstrip("/")
    plain = _WILD.split(source, maxsplit=1)[0]
    with _telling(source):
        files, path = fs.FileSystem.from_uri(plain)
    return files, path + source[len(plain) :]


def s3_options(environment: Mapping[str, str]) -> dict[str, str]:
    """What the usual AWS variables say that Arrow does not read by itself: endpoint and region."""
    options: dict[str, str] = {}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        address = urlsplit(endpoint)
        options = {"endpoint_override": address.netloc or endpoint, "scheme": address.scheme or "https"}
    return options | ({"region": region} if region else {})


@contextmanager
def _telling(source: str) -> Iterator[None]:
    """Turns what a file system raises into a sentence about the source."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{source} cannot be reached: {reason}", hint=_HINT) from error
