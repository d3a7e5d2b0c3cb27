"""Azure Blob Storage: blobs of any name are listed and read, and what is refused is told with what to do."""

from collections.abc import Iterator

import pytest

from monitor.errors import InputError
from monitor.sources.files import locations
from monitor.sources.files.remote import azure_account, azure_blobs
from monitor.sources.files.remote.azure_account import account_of
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.objects.stores import store_of
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.support.source_checks import records, runner, stored
from tests.support.waiting import until

VARIABLES = ("CONNECTION_STRING", "ACCOUNT", "KEY", "SAS_TOKEN")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        running.put("orders")
        yield running


@pytest.fixture
def azure(server: Azurite, monkeypatch: pytest.MonkeyPatch) -> Azurite:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", server.connection)
    return server


# Against the emulator


@pytest.mark.parametrize(
    "name", ["a b.jsonl", "ä%2F?x=1&y#z.jsonl", "x\u2028y.jsonl", "a" * 200 + ".jsonl", "it's+(1).jsonl"]
)
def test_parts_of_blobs_with_any_name_are_listed_and_read_from_any_place(name: str, azure: Azurite) -> None:
    content = bytes(range(256)) * 40
    azure.put("orders", f"names/{name}", content)
    source = store_of("abfs://orders/names")
    assert (f"abfs://orders/names/{name}", len(content)) in [(one.name, one.size) for one in source.listed()]
    for at, size in ((0, 10), (5, 7), (10_230, 100), (20_000, 5), (0, 20_000)):
        assert source.read(f"abfs://orders/names/{name}", at, size) == content[at : at + size]


def test_a_source_reads_on_as_blobs_come_and_a_signature_that_expired_is_told(
    azure: Azurite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = runner(store, ObjectsSettings.model_validate({"url": "abfs://orders/calls", "every": "1s"}))
    azure.put("orders", "calls/a.jsonl", b"\n".join(records(0, 20)) + b"\n")
    reading.start()
    try:
        until(lambda: stored(store) == 20, "the first ones are stored")
        sas = azure.signature("orders", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        plain = f"AccountName={ACCOUNT};BlobEndpoint={azure.endpoint};SharedAccessSignature="
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", plain + sas)
        azure.put("orders", "calls/b.jsonl", b"\n".join(records(20, 40)) + b"\n")
        until(lambda: bool(reading.state().error), "it is told")
        assert "AZURE_STORAGE_SAS_TOKEN" in reading.state().error or "renew" in reading.state().error
        assert stored(store) == 20
        valid = azure.signature("orders", "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", plain + valid)
        until(lambda: stored(store) == 40, "the others are stored")
        until(lambda: not reading.state().error, "it works again")
    finally:
        reading.stop()
    assert stored(store) == 40


@pytest.mark.parametrize("key", ["A" * 88, "no base64"])
def test_a_wrong_key_is_told_as_one(key: str, server: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={server.endpoint}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(SourceError) as told:
        store_of("abfs://orders/calls").listed()
    assert "correct AZURE_STORAGE_KEY" in told.value.hint


def test_more_blobs_than_one_answer_holds_are_listed_once_each(
    azure: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        azure.put("orders", f"many/{number:02}.jsonl", b"{}")
    monkeypatch.setattr(azure_blobs, "MOST_AT_ONCE", 10)
    names = [one.name for one in store_of("abfs://orders/many").listed()]
    assert names == [f"abfs://orders/many/{number:02}.jsonl" for number in range(25)]


def test_folders_patterns_and_what_is_not_there(azure: Azurite) -> None:
    for name in ("tree/a.csv", "tree/sub/b.csv", "tree.csv"):
        azure.put("orders", name, b"x,y\n1,2\n")
    found = locations.find_locations(["abfs://orders/tree/**/*.csv"])
    assert [one.name for one in found] == ["abfs://orders/tree/a.csv", "abfs://orders/tree/sub/b.csv"]
    assert [one.path for one in locations.find_locations(["abfs://orders/tree"])] == [
        "orders/tree/a.csv",
        "orders/tree/sub/b.csv",
    ]
    assert locations.location_of("abfs://orders/tree.csv").size == 8
    with pytest.raises(InputError, match="does not exist"):
        locations.location_of("abfs://orders/tre")
    with pytest.raises(InputError, match="is not a file"):
        locations.location_of("abfs://orders/tree")
    with pytest.raises(SourceError, match="there is no bucket nothing"):
        store_of("abfs://nothing/calls").listed()


# Without it


def test_what_is_signed_is_the_example_of_the_documentation() -> None:
    """Of https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    headers = {"x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT", "x-ms-version": "2015-02-21"}
    query = {"restype": "container", "comp": "metadata", "timeout": "20"}
    assert azure_account.text_to_sign("myaccount", "/mycontainer", query, headers) == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )


BLOBS = "https://acme.blob.core.windows.net"
OWN = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/{ACCOUNT}/"
CHINA = "AccountName=acme;AccountKey=a==;EndpointSuffix=core.chinacloudapi.cn"
NAMED = {"ACCOUNT": "acme", "KEY": "k"}


@pytest.mark.parametrize(
    ("host", "environment", "expected"),
    [
        ("", NAMED, ("acme", BLOBS, "k", "")),
        ("acme.dfs.core.windows.net", {"SAS_TOKEN": "?a=b"}, ("acme", BLOBS, "", "a=b")),
        ("acme.blob.core.windows.net", NAMED, ("acme", BLOBS, "k", "")),
        (
            "other.dfs.core.windows.net",
            NAMED | {"SAS_TOKEN": "s"},
            ("other", BLOBS.replace("acme", "other"), "", ""),
        ),
        ("", {"CONNECTION_STRING": CHINA}, ("acme", "https://acme.blob.core.chinacloudapi.cn", "a==", "")),
        (
            "",
            {"CONNECTION_STRING": f"BlobEndpoint={BLOBS}/;SharedAccessSignature=sv=1"},
            ("acme", BLOBS, "", "sv=1"),
        ),
        ("", {"CONNECTION_STRING": OWN}, (ACCOUNT, f"http://127.0.0.1:1/{ACCOUNT}", KEY, "")),
    ],
)
def test_the_account_is_that_of_the_address_and_has_no_credentials_of_another(
    host, environment, expected
) -> None:
    account = account_of(host, {f"AZURE_STORAGE_{name}": value for name, value in environment.items()})
    assert (account.name, account.endpoint, account.key, account.sas) == expected


@pytest.mark.parametrize("seconds", ["NaN", '"nan"', "1e999", "-1"])
def test_a_token_without_a_usable_end_is_renewed_within_a_day(
    seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, now = azure_account.MachineTokens(), [0.0]
    issued = iter(("first", "second"))
    monkeypatch.setattr(tokens, "_issued", lambda: (next(issued), float(seconds.strip('"'))))
    monkeypatch.setattr("monitor.sources.files.remote.azure_account.time.monotonic", lambda: now[0])
    assert tokens.current() == "first"
    now[0] = 86_400.0
    assert tokens.current() == "second"


@pytest.mark.parametrize("host", ["", "example.com", "127.0.0.1", "acme.dfs.", "a/b.dfs.core.windows.net"])
def test_an_address_without_an_account_of_azure_is_refused(host: str) -> None:
    with pytest.raises(OSError, match="account"):
        account_of(host, {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><EnumerationResults/>',
        '<!DOCTYPE x [<!ENTITY a "b">]><EnumerationResults/>'.encode("utf-16"),
        '<?xml version="1.0" encoding="utf-16"?><EnumerationResults/>'.encode("utf-16-be"),
        b"<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>",
        b"<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>",
        b"<a>" * 200_000,
        *(
            b"<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Content-Length>%b</Content-Length>"
            b"</Properties></Blob></Blobs></EnumerationResults>" % size
            for size in (b"-1", b"x", b"1e3", b"9" * 5000)
        ),
    ],
)
def test_an_answer_that_is_no_list_is_an_error_of_the_source(content: bytes) -> None:
    with pytest.raises(OSError, match="cannot be read"):
        azure_blobs.read_list(content)
