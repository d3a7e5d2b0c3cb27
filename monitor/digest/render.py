"""A digest as a mail (text and HTML, each complete on its own) and as a chat message within Slack's limits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitor.alerts.notification import Message
from monitor.digest.compose import Digest, Line
from monitor.health.verdict import Health

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(enabled_extensions=("html",), disabled_extensions=("txt",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    auto_reload=False,
)
SLACK_HEADER, SLACK_SECTION, SLACK_BLOCKS, SLACK_TOTAL = 150, 3000, 50, 10_000
_COLOURS = {
    Health.ATTENTION: "#c4400a",
    Health.WATCH: "#e69f00",
    Health.WAITING: "#9aa1a9",
    Health.WORKING: "#009e73",
}
_MOST_LINES = 40
"""Lines of one section of a mail; a client of hundreds of models reads the rest on the page."""


def text(digest: Digest, version: str, leave: str = "") -> str:
    """The text part."""
    return _TEMPLATES.get_template("digest.txt").render(digest=_short(digest), version=version, leave=leave)


def html(digest: Digest, version: str, leave: str = "") -> str:
    """The HTML part: tables and inline style, because that is what mail programs show alike."""
    state = _worst(digest)
    page = _TEMPLATES.get_template("digest.html").render(
        digest=_short(digest), version=version, leave=leave, icon=state.icon, colour=_COLOURS[state]
    )
    return page.strip() + "\n"


def mail(digest: Digest, version: str, address: str, leave: str) -> Message:
    """A mail to one reader. `leave` is the address that ends it by one bare POST (RFC 8058)."""
    headers = [
        ("List-Id", f"Watchkeeper digest of {digest.client} <{digest.client}.digest.watchkeeper>"),
        ("Auto-Submitted", "auto-generated"),
    ]
    if leave.startswith("https://"):
        headers += [
            ("List-Unsubscribe", f"<{leave}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    elif leave:
        headers.append(("List-Unsubscribe", f"<{leave}>"))
    return Message(
        digest.subject, text(digest, version, leave), html(digest, version, leave), (address,), tuple(headers)
    )


def chat(digest: Digest, version: str) -> Message:
    """A Slack message: the verdict as header, a section for each model in trouble, totals, a button."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _clamp(digest.verdict, SLACK_HEADER)}}
    ]
    for line in (*digest.attention, *digest.watch, *digest.waiting):
        blocks.append(
            {"type": "section", "text": {"type": "mrkdwn", "text": _clamp(_slack_line(line), SLACK_SECTION)}}
        )
    row = digest.rows[0]
    totals = f"{row.name} {row.values[0]} ({digest.columns[1].lower()} {row.values[1]}) · {digest.span}"
    tail: list[dict[str, Any]] = [
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _clamp(_escape(totals), SLACK_SECTION)}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": digest.page}
            ],
        },
    ]
    return Message(digest.subject, _clamp(text(digest, version), SLACK_SECTION), blocks=_fitted(blocks, tail))


def _fitted(blocks: list[dict[str, Any]], tail: list[dict[str, Any]]) -> str:
    """Blocks within Slack's number and its undocumented total size; what does not fit is counted."""
    kept: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        left = len(blocks) - index
        more = {"type": "section", "text": {"type": "mrkdwn", "text": f"and {left} more on the page"}}
        size = len(json.dumps([*kept, block, more, *tail]))
        if size > SLACK_TOTAL or len(kept) + 2 + len(tail) > SLACK_BLOCKS:
            kept.append(more)
            break
        kept.append(block)
    return json.dumps([*kept, *tail], ensure_ascii=False)


def _slack_line(line: Line) -> str:
    return f"*<{line.link}|{_escape(line.title)}>*\n{_escape(line.text)}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clamp(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _worst(digest: Digest) -> Health:
    for lines, state in (
        (digest.attention, Health.ATTENTION),
        (digest.watch, Health.WATCH),
        (digest.waiting, Health.WAITING),
    ):
        if lines:
            return state
    return Health.WORKING if digest.fine else Health.WAITING


def _short(digest: Digest) -> Digest:
    """At most so many lines a section, with the rest counted."""

    def cut(lines: tuple[Line, ...]) -> tuple[Line, ...]:
        if len(lines) <= _MOST_LINES:
            return lines
        return (
            *lines[:_MOST_LINES],
            Line("And more", f"{len(lines) - _MOST_LINES} on the page.", digest.page),
        )

    return replace(
        digest,
        attention=cut(digest.attention),
        watch=cut(digest.watch),
        waiting=cut(digest.waiting),
        fine=digest.fine
        if len(digest.fine) <= 200
        else (*digest.fine[:200], f"and {len(digest.fine) - 200} more"),
        notes=digest.notes[:_MOST_LINES],
        gaps=digest.gaps[:_MOST_LINES],
    )
