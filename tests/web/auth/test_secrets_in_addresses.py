"""No address has a secret in it, and a secret in an address opens nothing but the one that signs in."""

import re
from html import unescape
from pathlib import Path

from monitor.store.api_keys import KeyKind
from tests.support import clients
from tests.support.clients import fire
from tests.support.server import serving
from tests.web.auth.test_access import key, signed_in


def test_no_address_on_any_page_has_a_secret_and_no_secret_in_an_address_opens_anything(
    tmp_path: Path,
) -> None:
    shop = clients.opened(tmp_path, hours=2)
    fire(shop)
    admin, reader = key(shop, KeyKind.STAFF), key(shop, KeyKind.PAGE, "acme")
    for token, first in ((admin, "/staff/"), (reader, "/c/acme/")):
        with serving(shop) as web:
            for name in ("key", "token", "access_token", "api_key", "authorization", "session"):
                for path in (first, "/api/v1/clients/acme"):
                    assert web.get(path, params={name: token}).status_code in (401, 404), (name, path)
            assert not web.cookies
            signed_in(web, token)
            secrets = {token, *web.cookies.values()}
            seen, waiting = set(), [first]
            while waiting and len(seen) < 80:
                path = waiting.pop(0)
                seen.add(path)
                page = web.get(path, headers={"Accept": "text/html"}).text
                secrets |= set(re.findall(r'name="csrf" value="([0-9a-f]+)"', page))
                found = [
                    unescape(one) for one in re.findall(r'(?:href|src|action|formaction)="([^"]*)"', page)
                ]
                assert not [one for one in found for secret in secrets if secret in one], path
                for form in re.findall(r"<form\b([^>]*)>(.*?)</form>", page, re.S):
                    assert 'name="csrf"' not in form[1] or 'method="post"' in form[0], path
                known = {*seen, *waiting}
                new = {one.partition("#")[0] for one in found if one.startswith(("/c/", "/staff/"))} - known
                waiting += sorted(one for one in new if not one.endswith(("/events", ".csv")))
            assert len(secrets) > 2
            assert len(seen) > 3
