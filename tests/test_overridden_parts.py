"""A class that extends one of another package sets no private part of it by the way: each such part is listed."""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest

from tests.test_architecture import module_of, name_of, parsed
from tests.test_public_parts import imported

OVERRIDDEN = {
    # the clients of the standard library open the sockets that a deadline and a size limit reach
    "notify/channels/smtp.py": {"_get_socket", "_auth_challenge_count"},
    "sites/transports/imap.py": {"_create_socket"},
    # see PRIVATE_PARTS
    "sources/brokers/nats_limits.py": {"_process_msg", "_process_info", "_ps"},
    # Litestar's plugin for pydantic, which is never used, loads both of its versions
    "web/app.py": {"_get_default_plugins"},
}
"""What `PRIVATE_PARTS` does not see: it takes a name that a file sets for the file's own."""
MADE = {
    "sources/brokers/nats_limits.py": ("nats.aio.client.Client", "nats.protocol.parser.Parser"),
    "store/text_values.py": ("sqlalchemy.String",),
    "sources/brokers/redis_replies.py": ("redis.asyncio.connection.BaseParser",),
}
"""The classes that a file extends by a name of its own, because their package is loaded when it is used."""


@cache
def parts_of(base: type) -> frozenset[str]:
    """Private names of a class and of those that it extends: its methods, and the attributes that they use."""
    found = set(dir(base))
    for one in base.__mro__:
        try:
            source = inspect.getsource(one)
        except (OSError, TypeError):  # it is not written in Python
            continue
        nodes = ast.walk(ast.parse(textwrap.dedent(source)))
        found |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return frozenset(name for name in found if name.startswith("_") and not name.endswith("_"))


def private_names(cls: ast.ClassDef) -> set[str]:
    """Private names that a class sets: functions, fields, and attributes of `self`."""
    found = set()
    for node in ast.walk(cls):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} if ast.unparse(node.value) == "self" else set()
    found |= {node.id for node in cls.body for node in ast.walk(node) if isinstance(node, ast.Name)}
    return {name for name in found if name.startswith("_") and not name.endswith("_")}


def loaded(path: str) -> object:
    """The object with this dotted name, which may be an attribute of one in a module."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError:
        return getattr(loaded(module), name)


class Bases:
    """Which classes of other packages the classes of the house extend, also through one another."""

    def __init__(self, files: dict[str, list[ast.AST]], modules: dict[str, str]) -> None:
        """`files` are nodes by the file's name, `modules` its dotted name."""
        self._imported = {file: dict(imported(nodes)) for file, nodes in files.items()}
        self.classes = [
            (file, node) for file, nodes in files.items() for node in nodes if isinstance(node, ast.ClassDef)
        ]
        self._house = {f"{modules[file]}.{node.name}": (file, node) for file, node in self.classes}
        self._modules = modules

    def foreign(self, file: str, cls: ast.ClassDef) -> Iterator[type]:
        """Classes of other packages that a class extends."""
        for base in cls.bases:
            words = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            first, dot, rest = words.partition(".")
            full = self._imported[file].get(first, f"{self._modules[file]}.{first}") + dot + rest
            if full in self._house:
                yield from self.foreign(*self._house[full])
            elif first in self._imported[file]:
                extended = loaded(full)
                yield from [extended] if isinstance(extended, type) else []
            elif hasattr(builtins, first):
                yield getattr(builtins, first)
            else:
                yield from (one for path in MADE[file] if isinstance(one := loaded(path), type))


def overridden(files: dict[str, list[ast.AST]], modules: dict[str, str]) -> dict[str, set[str]]:
    """Private parts of other packages' classes that the classes of each file set."""
    bases, found = Bases(files, modules), dict[str, set[str]]()
    for file, cls in bases.classes:
        parts = private_names(cls).intersection(
            *[frozenset().union(*map(parts_of, bases.foreign(file, cls)))]
        )
        if parts:
            found[file] = found.get(file, set()) | parts
    return found


def test_law_private_parts_of_extended_classes_are_set_in_few_places() -> None:
    files = {name_of(path): nodes for path, nodes in parsed().items()}
    assert overridden(files, {name_of(path): module_of(path) for path in parsed()}) == OVERRIDDEN


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("class A(smtplib.SMTP):\n  def _get_socket(self): ...\n  def _own(self): ...", {"_get_socket"}),
        (
            "class A(smtplib.SMTP): ...\nclass B(A):\n  def f(self): self._auth_challenge_count = 0",
            {"_auth_challenge_count"},
        ),
        ("class A(ThreadPoolExecutor):\n  _threads: set[int]", {"_threads"}),
        ("class A(Mapping[str, int]):\n  def _abc(self): self._b = self._c", set()),
    ],
)
def test_each_such_part_is_found(text: str, parts: set[str]) -> None:
    imports = "import smtplib\nfrom concurrent.futures import ThreadPoolExecutor\nfrom collections.abc import Mapping\n"
    nodes = list(ast.walk(ast.parse(imports + text)))
    assert overridden({"a.py": nodes}, {"a.py": "monitor.a"}) == ({"a.py": parts} if parts else {})
