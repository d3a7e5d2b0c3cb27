"""Parses the modules, and checks what can be checked without a provider: references, variables, secrets.

Run by `make terraform-check`. It is no `terraform validate`: names of arguments are not known here.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

HERE = Path(__file__).parent
MODULES = ("aws", "azure")
ROOTS = r"(?:var|local|data|ephemeral|aws_\w+|azurerm_\w+|random_\w+)"
REFERENCE = re.compile(rf"(?<![\w.\"-])({ROOTS})\.([a-zA-Z_][\w-]*)(?:\.([a-zA-Z_][\w-]*))?")
STORED_SECRETS = re.compile(r"^(?:.*_)?(?:password|secret_string|access_key|token)$")
"""Arguments whose value Terraform would write into its state."""


def bare(text: str) -> str:
    """A name without the quotes that the parser leaves."""
    return text.strip('"')


def blocks(tree: dict[str, Any], kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, name and body of each block with two labels."""
    for one in tree.get(kind, []):
        for first, inner in one.items():
            for name, body in inner.items():
                yield bare(first), bare(name), body


def named(tree: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The body of each block with one label, by its name."""
    return {bare(name): body for one in tree.get(kind, []) for name, body in one.items()}


def values(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every argument with its value."""
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from values(inner, bare(name))
    elif isinstance(tree, list):
        for inner in tree:
            yield from values(inner, key)
    else:
        yield key, tree


def merged(folder: Path) -> dict[str, Any]:
    """All files of a module as one."""
    whole: dict[str, Any] = {}
    for path in sorted(folder.glob("*.tf")):
        for kind, blocks in hcl2.loads(path.read_text(encoding="utf-8")).items():
            if kind != "__comments__":
                whole.setdefault(kind, []).extend(blocks)
    return whole


def declared(tree: dict[str, Any]) -> set[tuple[str, ...]]:
    """What can be referred to."""
    known: set[tuple[str, ...]] = {("var", name) for name in named(tree, "variable")}
    known |= {
        ("local", bare(name)) for one in tree.get("locals", []) for name in one if not name.startswith("__")
    }
    known |= {(kind, name) for kind, name, _ in blocks(tree, "resource")}
    known |= {(part, kind) for part in ("data", "ephemeral") for kind, _, _ in blocks(tree, part)}
    return known


def problems(folder: Path) -> Iterator[str]:
    """What is wrong with a module."""
    tree = merged(folder)
    yield from dangling(tree)
    for kind in ("variable", "output"):
        for name, body in named(tree, kind).items():
            if not body.get("description"):
                yield f"{kind} {name} has no description"
    for kind, name, body in blocks(tree, "resource"):
        for key, value in values(body):
            if STORED_SECRETS.fullmatch(key) and not isinstance(value, bool):
                yield f"{kind}.{name}: {key} would be in the state: use {key}_wo"
    yield from unpinned(tree)


def dangling(tree: dict[str, Any]) -> Iterator[str]:
    """References to nothing, and what nothing refers to."""
    known, used = declared(tree), set()
    for _, value in values({name: body for name, body in tree.items() if name != "terraform"}):
        used |= {match.groups()[:2] for match in REFERENCE.finditer(str(value))}
    for reference in sorted(used - known):
        yield f"{'.'.join(reference)} is used, but not declared"
    for reference in sorted(one for one in known - used if one[0] in ("var", "local")):
        yield f"{'.'.join(reference)} is declared, but not used"


def unpinned(tree: dict[str, Any]) -> Iterator[str]:
    """Providers without a version, or without a use."""
    parts = ("resource", "data", "ephemeral")
    used = {kind.partition("_")[0] for part in parts for kind, _, _ in blocks(tree, part)}
    pinned = {bare(name) for one in tree["terraform"] for name in one["required_providers"][0]}
    for name in sorted(used ^ {one for one in pinned if not one.startswith("__")}):
        yield f"provider {name} is used but not pinned, or pinned but not used"


def main() -> None:
    """Print what is wrong; exit code 1 if anything is."""
    problems_of_modules = [f"{module}: {one}" for module in MODULES for one in problems(HERE / module)]
    for one in problems_of_modules:
        print(one)
    print(f"{len(MODULES)} modules, {len(problems_of_modules)} problems")
    sys.exit(bool(problems_of_modules))


if __name__ == "__main__":
    main()
