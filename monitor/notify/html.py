"""A notification as HTML, for email. It says the same as the text, and works without images and style sheets."""

from collections.abc import Iterable
from html import escape

from monitor.alerts.notification import Link, Notification
from monitor.notify.text import clauses, duration, facts, headline, members
from monitor.records import Action
from monitor.visible import one_line

_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3"}
_OVER = "#067647"
_FONT = "font:15px/1.5 -apple-system,'Segoe UI',Roboto,Arial,sans-serif"
_CODE = "font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;margin:0 0 4px"
_NOT_IN_TABLE = ("run", "check")


def html(notification: Notification) -> str:
    """The whole message as an HTML document."""
    is_over = notification.action is Action.RESOLVE
    colour = _OVER if is_over else _COLOURS.get(notification.severity, _COLOURS["info"])
    heading = (
        f'<h1 style="font-size:18px;line-height:1.35;margin:0 0 12px;padding-left:12px;'
        f'border-left:5px solid {colour}">{_text(headline(notification))}</h1>'
    )
    body = _end(notification) if is_over else _page(notification)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(headline(notification))}</title></head>"
        f'<body style="{_FONT};max-width:44em;margin:16px">{heading}{body}</body></html>\n'
    )


def _page(notification: Notification) -> str:
    links = {one_line(link.text.partition(" (")[0].lower()) for link in notification.links}
    rows = [
        (name, value)
        for name, value in facts(notification)
        if name.split(" ")[0] not in _NOT_IN_TABLE and name not in links
    ]
    table = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding:2px 16px 2px 0">{_text(name)}</th>'
        f'<td style="padding:2px 0">{"<br>".join(_text(clause) for clause in clauses(value))}</td></tr>'
        for name, value in rows
    )
    commands = "".join(f'<pre style="{_CODE}">{escape(command)}</pre>' for command in notification.commands)
    return "".join(
        (
            f'<table style="border-collapse:collapse">{table}</table>',
            _section("Run first", commands),
            _section("Then check", _list(notification.checks, "ol")),
            _section("Alerts", _list(members(notification), "ul")),
            f"<p>{' &middot; '.join(map(_anchor, notification.links))}</p>" if notification.links else "",
        )
    )


def _end(notification: Notification) -> str:
    note = f"<p>{_text(notification.note)}</p>" if notification.note else ""
    return f"<p>{_text(duration(notification))}</p>{note}{_list(members(notification), 'ul')}"


def _section(name: str, content: str) -> str:
    return f'<h2 style="font-size:15px;margin:16px 0 4px">{name}</h2>{content}' if content else ""


def _list(texts: Iterable[str], kind: str) -> str:
    entries = "".join(f"<li>{_text(text)}</li>" for text in texts)
    return f'<{kind} style="margin:0;padding-left:1.4em">{entries}</{kind}>' if entries else ""


def _anchor(link: Link) -> str:
    if not link.href.startswith(("https://", "http://")):
        return f"{_text(link.text)}: {_text(link.href)}"
    return f'<a href="{escape(link.href)}">{_text(link.text)}</a>'


def _text(text: str) -> str:
    return escape(one_line(text))
