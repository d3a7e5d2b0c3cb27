"""What is told of a client's own things names no other client and none of its models, not even as a cause."""

import json
import re
from urllib.parse import quote

from tests.web.auth.test_isolation import BEARERS, PUBLIC, Bearer, Site, _policy, site, url

__all__ = ["site", "url"]
NAMES = (b"acme", b"fraud", b"ACME-SECRET")
"""What the other client and its model are called; both clients' models fail at the same time."""


def test_law_no_address_of_a_client_s_own_things_names_another_client(site: Site) -> None:
    admin = Bearer("staff", "", "admin")
    listed = json.loads(site.ask("GET", "/api/v1/alerts?client=globex", admin)[1].partition(b"\n")[0])
    own = {"client": "globex", "key": "globex", "model": "price", "environment": "production"}
    own |= {"fingerprint": listed[0]["id"], "left": "staging", "right": "production"}
    own |= {"metric": "error_rate", "alert": "HighErrorRate", "name": "style.css"}
    wrong, count = [], 0
    for method, route in site.routes:
        if method != "GET" or _policy(route) is PUBLIC:
            continue
        path = re.sub(r"\{(\w+):\w+\}", lambda found: quote(own.get(found[1], "1")), route)
        query = "?client=globex&model=price&environment=production&version=8&name=globex/price/HighErrorRate"
        for who in BEARERS:
            if who.client == "globex" and who.is_valid:
                for asked in (path, path + query):
                    status, body = site.ask("GET", asked, who)
                    count += status == 200
                    named = [name for name in NAMES if name.lower() in body.lower()]
                    wrong += [f"{asked} {who}: {status} names {named}"] if named else []
    assert count > 60
    assert wrong == [], "\n".join(wrong)
