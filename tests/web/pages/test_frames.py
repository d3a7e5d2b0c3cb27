"""A client's page inside another site: shown where the client allows it, with a cookie that goes no further."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.browser import browser
from tests.support.clients import NOW, Shop
from tests.support.server import serving


@contextmanager
def portal(frame: str) -> Iterator[str]:
    """Another site, which shows an address in a frame."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<!doctype html><title>Portal</title><iframe src="{frame}" width=800 height=600></iframe>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def opened(tmp_path: Path, *ancestors: str) -> tuple[Shop, str]:
    """A shop whose client acme lets these sites show its pages, and a key for it."""
    shop = clients.opened(tmp_path, hours=2)
    acme = shop.clients["acme"].model_copy(update={"frame_ancestors": ancestors})
    with shop.store.write() as connection:
        token = api_keys.create(connection, KeyKind.PAGE, "acme", NOW)[1]
    return Shop(shop.store, shop.clock, {**shop.clients, "acme": acme}), token


def shown(chromium: Browser, web: httpx2.Client, token: str) -> str:
    """What a portal's frame shows after its link with the key, and again when the page is opened anew."""
    ours = str(web.base_url).replace("127.0.0.1", "localhost").rstrip("/")
    context = chromium.new_context()
    page = context.new_page()
    with portal(f"{ours}/enter/link?key={token}") as site:
        page.goto(site)
        page.wait_for_timeout(500)
    with portal(f"{ours}/c/acme/") as site:
        page.goto(site)
        page.wait_for_timeout(500)
        text = page.frames[1].evaluate("document.body ? document.body.innerText : ''")
    context.close()
    return str(text)


SECURE = WebSettings(public_url="https://mon.example.com", requests_per_minute=100_000)


def test_a_portal_that_is_named_shows_the_page(tmp_path: Path, chromium: Browser) -> None:
    shop, token = opened(tmp_path, "http://127.0.0.1:*")
    with serving(shop, settings=SECURE) as web:
        assert "Decisions today" in shown(chromium, web, token)


def test_a_portal_that_is_not_named_shows_nothing(tmp_path: Path, chromium: Browser) -> None:
    shop, token = opened(tmp_path, "https://portal.example.com")
    with serving(shop, settings=SECURE) as web:
        assert "Decisions today" not in shown(chromium, web, token)


@pytest.mark.parametrize(
    ("ancestors", "settings", "kind", "same_site"),
    [
        (("https://portal.example.com",), SECURE, KeyKind.PAGE, "samesite=none"),
        ((), SECURE, KeyKind.PAGE, "samesite=lax"),
        (("https://portal.example.com",), WebSettings(), KeyKind.PAGE, "samesite=lax"),
        (("https://portal.example.com",), SECURE, KeyKind.STAFF, "samesite=lax"),
    ],
)
def test_only_a_reader_s_cookie_travels_and_only_by_tls(
    tmp_path: Path, ancestors: tuple[str, ...], settings: WebSettings, kind: KeyKind, same_site: str
) -> None:
    shop, _ = opened(tmp_path, *ancestors)
    with shop.store.write() as connection:
        token = api_keys.create(connection, kind, "acme", NOW)[1]
    with serving(shop, settings=settings) as web:
        kept = web.post("/enter", data={"key": token, "next": ""}).headers["set-cookie"].lower()
    assert same_site in kept
    assert ("partitioned" in kept) == (same_site == "samesite=none")
    assert ("secure" in kept.split("; ")) == settings.is_secure
    assert "httponly" in kept
