"""Whether an executor could be called, as far as that can be checked without calling it.

Its secrets and files are read, its command is looked for, and its addresses are connected to. No request is sent, and
no command is started.
"""

import os
import shutil
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from monitor.config.sections import Secret
from monitor.notify.addresses import nonempty, web_url
from monitor.notify.delivery.reachability import problem_of
from monitor.rollback.executors.command import CommandSettings
from monitor.rollback.executors.executor import ExecutorSettings
from monitor.visible import visible

_LARGEST_TOKEN = 65_536
_LONGEST_NAME, _LONGEST_REASON = 60, 300


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a key of an executor's section, and what to do about it. It never contains a secret."""

    key: str
    problem: str
    hint: str


def flaws(settings: ExecutorSettings, versions: Sequence[str] = ()) -> Iterator[Flaw]:
    """All that is wrong with an executor. `versions` are those that an order could name now."""
    yield from _secrets(settings)
    yield from _files(settings)
    if isinstance(settings, CommandSettings):
        yield from _command(settings)
    for key, url in settings.addresses().items():
        yield from _address(key, url, str(getattr(settings, "ca_file", "")))
    key, names = settings.version_names()
    missing = [visible(one)[:_LONGEST_NAME] for one in versions if one not in names] if key else []
    for version in missing:
        problem = f"does not name version {version}, which answers now"
        yield Flaw(key, problem, "add what this version is called on the platform")


def _said(error: Exception) -> str:
    """The message of an error, without the name of the file."""
    reason = error.strerror if isinstance(error, OSError) else None
    return visible(reason or str(error))[:_LONGEST_REASON]


def _secrets(settings: ExecutorSettings) -> Iterator[Flaw]:
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if not isinstance(value, Secret) or not (field.is_required() or value.get_secret_value()):
            continue
        try:
            nonempty(value)
        except ValueError as error:
            yield Flaw(
                key, str(error), "write the secret into it, or into the variable or file that it names"
            )


def _files(settings: ExecutorSettings) -> Iterator[Flaw]:
    if (path := str(getattr(settings, "token_file", ""))) and (problem := _token_problem(path)):
        yield Flaw("token_file", problem, "name a file with the token that the user of the daemon can read")
    if path := str(getattr(settings, "ca_file", "")):
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ValueError) as error:
            problem = f"cannot be used: {_said(error)}"
            yield Flaw("ca_file", problem, "name a file of CA certificates in PEM that the daemon can read")


def _token_problem(path: str) -> str:
    try:
        if not Path(path).is_file():  # a pipe would block
            return "is not a file" if Path(path).exists() else "does not exist"
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_TOKEN + 1)
        if len(content) > _LARGEST_TOKEN:
            return f"is larger than {_LARGEST_TOKEN:,} bytes, which no token is"
        token = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        return "is not a text"
    except (OSError, ValueError) as error:
        return f"cannot be read: {_said(error)}"
    if not token:
        return "is empty"
    return "" if token.isprintable() else "has more than one line, or a control character"


def _command(settings: CommandSettings) -> Iterator[Flaw]:
    """Look for the program where it would be looked for: in the PATH that the command gets."""
    program = settings.argv[0]
    variables = {name: os.environ[name] for name in settings.variables if name in os.environ}
    try:
        program_path = shutil.which(program, path=os.pathsep.join(os.get_exec_path(variables)))
        exists = "/" in program and Path(program).exists()
    except ValueError as error:
        yield Flaw("argv", f"the program cannot be looked for: {_said(error)}", "name a program")
        return
    name = visible(program)[:200]
    if program_path is None:
        problem = "is not executable, or no file" if exists else "does not exist"
        hint = f"chmod +x {name}" if exists else "install it, or use its full path"
        yield Flaw("argv", f"the program {name} {problem}", hint)
    elif (interpreter := _interpreter(program_path)) and not os.access(interpreter, os.X_OK):
        problem = f"the interpreter {visible(interpreter)[:200]} of the program {name} cannot be executed"
        yield Flaw("argv", problem, "correct the first line of the program")


def _interpreter(program: str) -> str:
    """The interpreter that the first line of a script names; empty for other programs."""
    try:
        with Path(program).open("rb") as file:
            first = file.read(512).split(b"\n")[0]
    except OSError:
        return ""  # it may be executable without being readable
    words = first[2:].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words and b"\0" not in words[0] else ""


def _address(key: str, url: str, ca_file: str) -> Iterator[Flaw]:
    try:
        web_url(Secret(url))
    except ValueError as error:
        yield Flaw(key, str(error), "write the address of the API")
        return
    host = urlsplit(url).hostname or ""
    named = f"{visible(host)[:200]} "
    if urlsplit(url).scheme == "http" and not _is_near(host):
        yield Flaw(key, f"{named}is called without encryption", "use https://")
    if problem := problem_of(url, ca_file):
        yield Flaw(
            key,
            f"{named}cannot be reached: {problem[:_LONGEST_REASON]}",
            "check the address, the network and `ca_file`",
        )


def _is_near(host: str) -> bool:
    """Whether requests stay on this machine, or go to the metadata server of a cloud."""
    if host in ("localhost", "metadata.google.internal"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local
