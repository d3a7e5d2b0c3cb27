"""Reads a user's name and groups from the claims of a token, in the forms of different identity providers."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.errors import AccessError

_NAMES = ("email", "preferred_username", "sub")
_MAX_LENGTH = 256
_UNVERIFIED = (False, "false")
_GROUP_KEYS = ("name", "displayName", "display", "value", "id")
"""Keys with the name of a group that is an object (Keycloak, Microsoft Graph, SCIM)."""


def person(claims: Mapping[str, Any]) -> str:
    """The name of the user, for people to read; `subject` identifies them. An unverified mail address is no name.

    Raises:
        AccessError: the token does not contain one.
    """
    known = [name for name in _NAMES if name != "email" or claims.get("email_verified") not in _UNVERIFIED]
    for name in known:
        if _is_name(claims.get(name)):
            return str(claims[name])
    raise AccessError(
        f"the identity provider's token does not name the user (it needs one of {', '.join(_NAMES)} as a string)"
    )


def subject(claims: Mapping[str, Any]) -> str:
    """What identifies the user at the provider, for ever: the claim `sub`. Mail addresses change their owners.

    Raises:
        AccessError: it is missing, or not a text of at most 255 printable characters.
    """
    value = claims.get("sub")
    if _is_name(value) and len(str(value)) < _MAX_LENGTH:
        return str(value)
    raise AccessError("the identity provider's token does not identify the user (sub)")


def provider_session(claims: Mapping[str, Any]) -> str:
    """The user's session at the provider (`sid`), by which it says that they signed out; empty if it names none."""
    value = claims.get("sid")
    return str(value) if _is_name(value) and len(str(value)) < _MAX_LENGTH else ""


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= _MAX_LENGTH
    )


def groups(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The groups in a claim; empty if it is missing or does not contain groups.

    `claim` is the name of a claim, dots included (`https://example.com/roles`), or a path (`realm_access.roles`,
    `resource_access.watchkeeper.roles`). A list may contain texts, integers and objects with a name; of an object, the
    keys are used unless their value is false.
    """
    value = _find(claims, claim)
    if isinstance(value, Mapping):
        return [key for key, member in value.items() if member is True or isinstance(member, Mapping)]
    elements = value if isinstance(value, list) else [value]
    return [group for element in elements for group in _group_names(element)]


def _find(value: object, path: str) -> object:
    """The value at a path whose steps may contain dots; None if there is none."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    dot = path.find(".")
    while dot >= 0:
        inner = _find(value.get(path[:dot]), path[dot + 1 :])
        if inner is not None:
            return inner
        dot = path.find(".", dot + 1)
    return None


def _group_names(group: object) -> Iterator[str]:
    if isinstance(group, str):
        yield group
    elif isinstance(group, int) and not isinstance(group, bool):
        yield str(group)
    elif isinstance(group, Mapping):
        for name in _GROUP_KEYS:
            yield from (_group_names(group[name]) if isinstance(group.get(name), (str, int)) else ())
