"""Strict stand-ins for service desks, chats and event intakes: they refuse what the real ones refuse."""

import gzip
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.receiver import Receiver

_MARKDOWN_LINK = re.compile(r"\]\(")
_RESERVED = {
    *(
        "ago",
        "and",
        "as",
        "auto",
        "begin",
        "compare",
        "day",
        "days",
        "end",
        "explain",
        "facet",
        "from",
        "hour",
    ),
    *(
        "in",
        "is",
        "like",
        "limit",
        "minute",
        "month",
        "not",
        "null",
        "offset",
        "or",
        "raw",
        "second",
        "select",
    ),
    *("since", "timeseries", "until", "week", "where", "with", "accountid"),
}


@dataclass(slots=True)
class JsmDesk(Receiver):
    """Jira Service Management's integration API: `alerts` by alias, with their state."""

    key: str = "K"
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def judge(self, body: bytes) -> int:
        request = self.requests[-1]
        if request.headers.get("Authorization") != f"GenieKey {self.key}":
            return 401
        sent = json.loads(body)
        parts = urlsplit(request.path)
        if parts.path == "/alerts":
            return self._create(sent)
        match = re.fullmatch(r"/alerts/([A-Za-z0-9-]+)/(close|acknowledge)", parts.path)
        if not match or parse_qs(parts.query) != {"identifierType": ["alias"]}:
            return 404
        if not set(sent) <= {"source", "note", "user"} or len(sent.get("note", "")) > 25_000:
            return 422
        if match[1] in self.alerts:  # one that is unknown is accepted as well, and nothing happens
            self.alerts[match[1]]["state"] = "closed" if match[2] == "close" else "acknowledged"
        return 202

    def _create(self, sent: dict[str, Any]) -> int:
        limits = {"message": 130, "alias": 512, "description": 15_000, "entity": 512, "source": 100}
        known = {*limits, "priority", "tags", "details", "note", "user", "responders", "actions"}
        details = sent.get("details", {})
        is_fine = (
            set(sent) <= known
            and len(sent["message"].strip()) > 0
            and all(len(sent.get(name, "")) <= most for name, most in limits.items())
            and sent["priority"] in {"P1", "P2", "P3", "P4", "P5"}
            and len(sent.get("tags", ())) <= 20
            and all(0 < len(tag) <= 50 for tag in sent.get("tags", ()))
            and all(isinstance(text, str) for text in details.values())
            and sum(len(name) + len(text) for name, text in details.items()) <= 8_000
        )
        if not is_fine:
            return 422
        open_one = self.alerts.get(sent["alias"])
        if open_one and open_one["state"] != "closed":
            open_one["count"] += 1
        else:
            self.alerts[sent["alias"]] = {**sent, "state": "open", "count": 1}
        return 202


@dataclass(slots=True)
class TeamsHook(Receiver):
    """The webhook of a workflow: adaptive cards only, and none over 28 kB."""

    says: bytes = b""

    def judge(self, body: bytes) -> int:
        if len(body) > 28_000:
            return 413
        sent = json.loads(body)
        (attachment,) = sent["attachments"]
        card = attachment["content"]
        if (
            sent["type"] != "message"
            or attachment["contentType"] != "application/vnd.microsoft.card.adaptive"
        ):
            return 400
        if card["type"] != "AdaptiveCard" or card["version"] not in {"1.2", "1.3", "1.4", "1.5"}:
            return 400
        for block in card["body"]:
            facts = block.get("facts", ())
            texts = [block["text"]] if block["type"] == "TextBlock" else [f["value"] for f in facts]
            if not texts or any(not text or _MARKDOWN_LINK.search(text) or "<at" in text for text in texts):
                return 400
        actions = card.get("actions", ())
        if len(actions) > 6 or any(not one["url"].startswith("http") or not one["title"] for one in actions):
            return 400
        return 202

    def reply(self) -> bytes:
        return self.says

    @property
    def cards(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [json.loads(request.body)["attachments"][0]["content"] for request in self.requests]


@dataclass(slots=True)
class ServiceNowDesk(Receiver):
    """The Table API for incidents, with the usual data policy: a resolution needs a code and notes."""

    incidents: list[dict[str, str]] = field(default_factory=list)
    loses: int = 0
    """How many answers get lost after the change was made."""
    _answer: bytes = b""

    def judge(self, body: bytes) -> int:
        request = self.requests[-1]
        if request.headers.get("Authorization") not in ("Bearer T", "Basic dXNlcjpwYXNz"):
            return 401
        parts = urlsplit(request.path)
        query = parse_qs(parts.query)
        match = re.fullmatch(r"/api/now/table/incident(?:/([0-9a-f]{32}))?", parts.path)
        if not match:
            return 400
        self._answer = b""
        if request.method == "GET":
            wanted = re.fullmatch(
                r"correlation_id=([^^]+)\^ORDERBYDESCsys_created_on", query["sysparm_query"][0]
            )
            assert wanted, query
            found = [one for one in reversed(self.incidents) if one["correlation_id"] == unquote(wanted[1])]
            self._answer = json.dumps({"result": [_shown(one) for one in found]}).encode()
            return 200
        sent = json.loads(body)
        limits = {"short_description": 160, "description": 4_000, "correlation_id": 100}
        if any(not isinstance(value, str) for value in sent.values()):
            return 400
        if any(len(sent.get(name, "")) > most for name, most in limits.items()):
            return 400
        if request.method == "PATCH":
            one = next(one for one in self.incidents if one["sys_id"] == match[1])
            if sent.get("state") == "6" and not (sent.get("close_code") and sent.get("close_notes")):
                return 403
            one.update(sent)
        else:
            number = len(self.incidents) + 1
            one = {"sys_id": f"{number:032x}", "number": f"INC{number:07}", "state": "1", **sent}
            self.incidents.append(one)
        self._answer = json.dumps({"result": _shown(one)}).encode()
        if self.loses:
            self.loses -= 1
            return 504
        return 201 if request.method == "POST" else 200

    def reply(self) -> bytes:
        return self._answer


def _shown(one: dict[str, str]) -> dict[str, str]:
    return {name: one[name] for name in ("sys_id", "number", "state")}


@dataclass(slots=True)
class DatadogEventIntake(Receiver):
    """Datadog's Events API v1."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def judge(self, body: bytes) -> int:
        if self.requests[-1].headers.get("DD-API-KEY") != "K":
            return 403
        sent = json.loads(body)
        age = self.now - sent["date_happened"]
        is_fine = (
            0 < len(sent["title"]) <= 100
            and 0 < len(sent["text"]) <= 4_000
            and len(sent["aggregation_key"]) <= 100
            and isinstance(sent["date_happened"], int)
            and age < 7 * 86_400
            and sent["alert_type"] in {"error", "warning", "info", "success"}
            and sent["priority"] in {"normal", "low"}
            and all(0 < len(tag) <= 200 and tag.isprintable() for tag in sent["tags"])
        )
        if is_fine:
            self.events.append(sent)
        return 202 if is_fine else 400

    now: float = field(default_factory=time.time)


@dataclass(slots=True)
class NewRelicIntake(Receiver):
    """New Relic's Event API."""

    events: list[dict[str, Any]] = field(default_factory=list)
    now: float = field(default_factory=time.time)

    def judge(self, body: bytes) -> int:
        request = self.requests[-1]
        if request.headers.get("Api-Key") != "K":
            return 403
        if len(body) > 1_000_000:
            return 413
        assert request.headers["Content-Encoding"] == "gzip"
        for sent in json.loads(gzip.decompress(body)):
            names = set(sent) - {"eventType", "timestamp"}
            is_fine = (
                re.fullmatch(r"[A-Za-z][A-Za-z0-9:_]{0,254}", sent["eventType"])
                and isinstance(sent["timestamp"], int)
                and self.now - sent["timestamp"] / 1000 < 2 * 86_400
                and len(sent) <= 254
                and all(name.lower() not in _RESERVED and len(name) <= 255 for name in names)
                and all(
                    isinstance(value, int | float) or 0 < len(value) <= 4_096 for name, value in sent.items()
                )
            )
            if not is_fine:
                return 400
            self.events.append(sent)
        return 200
