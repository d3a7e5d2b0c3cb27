"""ServiceNow: incidents through the Table API.

The API has no key against doubles. So an incident carries a digest of the dedup key as `correlation_id`, and is looked
for before it is created: an attempt whose answer was lost makes no second one.
"""

import base64
import hashlib
import re
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec
from pydantic import Field, field_validator, model_validator

from monitor.alerts.notification import Notification, printable
from monitor.config.sections import Secret
from monitor.notify.addresses import web_url
from monitor.notify.channel import ATTEMPT_SECONDS, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http import Http
from monitor.notify.text import headline, lines
from monitor.outgoing import CallBudget
from monitor.records import Action
from monitor.text_limits import shortened

LONGEST_SHORT, LONGEST_DESCRIPTION = 160, 4_000
IN_PROGRESS, RESOLVED = "2", "6"
_ENDED = (RESOLVED, "7", "8")
"""States of an incident that is resolved, closed or cancelled."""
_LEVELS = {"critical": "1", "warning": "2", "info": "3"}
_CODE = re.compile(r"\[(?=/?code)", re.IGNORECASE)
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_T = TypeVar("_T")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,79}")


class ServiceNowSettings(ConnectionSettings):
    """ServiceNow: incidents through the Table API. The account needs the role `itil`."""

    url: str
    """URL of the instance, such as https://example.service-now.com."""
    user: str = ""
    """User of the account, with `password`."""
    password: Secret = Secret("")
    """Password of the account."""
    token: Secret = Secret("")
    """An OAuth access token, instead of user and password."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Fields of each new incident, such as `{assignment_group: ML on-call, caller_id: watchkeeper}`."""
    close_code: str = "Solution provided"
    """`close_code` of a resolved incident; instances have lists of their own."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return web_url(Secret(value)).get_secret_value().rstrip("/")

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _FIELD.fullmatch(name) or name == "correlation_id":
                msg = f"{name[:80]!r} is not a field that can be set: use lower-case letters, digits and _"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _has_an_account(self) -> Self:
        if not self.token.get_secret_value() and not (self.user and self.password.get_secret_value()):
            msg = "needs `user` and `password`, or `token`"
            raise ValueError(msg)
        return self

    @property
    def authorization(self) -> str:
        """The header of that name."""
        if token := self.token.get_secret_value():
            return f"Bearer {token}"
        account = f"{self.user}:{self.password.get_secret_value()}"
        return f"Basic {base64.b64encode(account.encode()).decode()}"


class _Found(msgspec.Struct):
    sys_id: str
    number: str = ""
    state: str = ""


class _Many(msgspec.Struct):
    result: list[_Found]


class _One(msgspec.Struct):
    result: _Found


class ServiceNow:
    """Creates, updates and resolves incidents. One attempt is up to two requests, with one deadline."""

    name = "servicenow"
    seconds = 2 * ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=5, per_second=1.0)
    actions = frozenset((Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE))

    def __init__(self, settings: ServiceNowSettings) -> None:
        self._settings = settings
        self._http = Http("ServiceNow", settings.route, self.seconds)
        self._table = f"{settings.url}/api/now/table/incident"
        self._headers = {
            "Accept": "application/json",
            "Authorization": settings.authorization,
            "Content-Type": "application/json",
        }

    def send(self, notification: Notification) -> str:
        """Create the incident, or change the one that is there; returns its number.

        Raises:
            AttemptError: ServiceNow cannot be reached, or did not accept it.
        """
        notification, budget = printable(notification), CallBudget(self.seconds)
        known = self._find(correlation(notification.key), budget)
        if notification.action is Action.TRIGGER and known is None:
            body = msgspec.json.encode(incident(notification, self._settings.fields))
            answer = self._http.post(f"{self._table}?sysparm_fields={_SHOWN}", body, self._headers, budget)
            return f"created {_read(answer.content, _One).result.number}"
        if known is None:
            return "there is no open incident"
        if notification.action is Action.TRIGGER and not notification.is_update:
            return f"{known.number} already exists"
        body = msgspec.json.encode(change(notification, self._settings.close_code))
        self._http.patch(f"{self._table}/{known.sys_id}?sysparm_fields={_SHOWN}", body, self._headers, budget)
        return f"changed {known.number}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _find(self, identity: str, budget: CallBudget) -> _Found | None:
        """The newest incident of this identity that is not resolved or closed."""
        query = quote(f"correlation_id={identity}^ORDERBYDESCsys_created_on", safe="")
        url = f"{self._table}?sysparm_query={query}&sysparm_fields={_SHOWN}&sysparm_limit=10"
        answer = self._http.get(url, self._headers, budget)
        for incident in _read(answer.content, _Many).result:
            if incident.state not in _ENDED and _SYS_ID.fullmatch(incident.sys_id):
                return incident
        return None


_SHOWN = "sys_id,number,state"


def correlation(key: str) -> str:
    """The `correlation_id` of an incident."""
    return f"watchkeeper-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def incident(notification: Notification, fields: dict[str, str]) -> dict[str, Any]:
    """The fields of a new incident. Its priority follows from impact and urgency."""
    level = _LEVELS.get(notification.severity, "2")
    text = [headline(notification)] if notification.is_small else lines(notification)
    return {
        "impact": level,
        "urgency": level,
        **fields,
        "short_description": shortened(_quiet(headline(notification)), LONGEST_SHORT),
        "description": _quiet("\n".join(text))[:LONGEST_DESCRIPTION],
        "correlation_id": correlation(notification.key),
        "correlation_display": "Watchkeeper",
    }


def change(notification: Notification, close_code: str) -> dict[str, str]:
    """The changed fields of an incident that is there."""
    notes = _quiet("\n".join(lines(notification)))[:LONGEST_DESCRIPTION]
    if notification.action is Action.RESOLVE:
        return {"state": RESOLVED, "close_code": close_code, "close_notes": notes, "work_notes": notes}
    if notification.action is Action.ACKNOWLEDGE:
        return {"state": IN_PROGRESS, "work_notes": _quiet(headline(notification))}
    return {"work_notes": notes}


def _quiet(text: str) -> str:
    """Text in which `[code]`, between which notes are HTML, means nothing."""
    return _CODE.sub("[\u200b", text)


def _read(content: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # A login page or a proxy's page with the status 200: nothing tells that it was stored.
        message = f"ServiceNow did not return a record: {error}"
        raise AttemptError(message, FailureKind.UNREACHABLE) from error
