"""`/runbooks/<Alert>`: runbooks of alerts, readable on a phone and without signing in.

Shipped runbooks contain no client's data. The texts of your own rules are shown to staff only.
"""

import re
from functools import lru_cache
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.rules.rule import Rule
from monitor.shipped import shipped
from monitor.web import services as web_services
from monitor.web.auth.session import staff
from monitor.web.pages.rendering import page

NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,127}")
FOLDER = shipped("runbooks")


@get("/runbooks/{alert:str}", sync_to_thread=True, include_in_schema=False)
def runbook(request: Request[Any, Any, Any], alert: FromPath[str]) -> Response[str]:
    """The runbook of an alert; for your own rules, the texts of the rule.

    Raises:
        NotFoundException: there is no such alert, or it is one of your own and the visitor is not staff.
    """
    name = alert.removesuffix(".md")
    if NAME.fullmatch(name) is None:
        raise NotFoundException
    text = shipped_runbook(name)
    if not text:
        staff(request)
        rule = web_services.of(request).rule(name)
        if rule is None:
            raise NotFoundException
        text = of_rule(rule)
    return page("runbook.html", title=name, body=_as_html(text))


def _as_html(text: str) -> str:
    from markdown_it import MarkdownIt  # 60 modules and 1 MB, which few daemons ever need

    return str(MarkdownIt("commonmark", {"html": False}).render(text))


@lru_cache(maxsize=128)
def shipped_runbook(name: str) -> str:
    """The text of a shipped runbook (Markdown); empty if there is none."""
    file = FOLDER / f"{name}.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def of_rule(rule: Rule) -> str:
    """The texts of a rule, as Markdown."""
    parts = [f"# {rule.name}", f"## Impact\n\n{rule.annotation('impact')}"]
    checks = [line.strip() for line in rule.annotation("checks").splitlines() if line.strip()]
    if checks:
        parts.append("## Diagnosis\n\n" + "\n".join(f"{n}. {check}" for n, check in enumerate(checks, 1)))
    parts.append(f"`watchkeeper explain {rule.name}` shows the figures, and who was notified.")
    return "\n\n".join(parts)


HANDLERS = (runbook,)
