"""The same lake in an object store: a real S3 server on this machine."""

import pytest
from pyarrow import fs

from monitor.errors import InputError
from monitor.lake.run import LakeSettings, profile_lake
from monitor.sources.files import locations
from tests.support.lakes import END, STREAM, kept, s3_server, store_with_baseline, write
from tests.support.thorough import thinned


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A folder, and a bucket that holds the same files below `fraud/2026/`."""
    folder = tmp_path_factory.mktemp("s3")
    write(folder / "lake")
    with s3_server(folder) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "eu-central-1",
        }.items():
            patch.setenv(name, value)
        options = locations.s3_options({"AWS_ENDPOINT_URL_S3": address, "AWS_REGION": "eu-central-1"})
        bucket = fs.S3FileSystem(**options, allow_bucket_creation=True)
        bucket.create_dir("lake")
        fs.copy_files(str(folder / "lake"), "lake/fraud/2026", destination_filesystem=bucket)
        with bucket.open_output_stream("lake/fraud/notes.txt") as notes:
            notes.write(b"not a table")
        yield folder / "lake"


@pytest.mark.parametrize(
    "source", thinned(["s3://lake/fraud/*/part-?.parquet", "s3://lake/**/*.parquet", "s3://lake/fraud"], 2)
)
def test_s3_and_a_folder_give_the_same_profiles(lake, tmp_path, source):
    found = []
    for name, one in (("here", str(lake)), ("there", source)):
        with store_with_baseline(tmp_path / name) as (store, _):
            done = profile_lake(store, locations.find_locations([one]), STREAM, 3600, LakeSettings(), END)
            found.append((done.rows, kept(store)))
    assert found[0] == found[1]


def test_names_are_whole_so_that_another_machine_can_open_them(lake):
    names = [place.name for place in locations.find_locations(["s3://lake/fraud/*/*.parquet"])]
    assert names == [f"s3://lake/fraud/2026/part-{number}.parquet" for number in range(3)]
    assert locations.location_of(names[0]).size == (lake / "part-0.parquet").stat().st_size


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3://nobody/*.parquet", "matches no file"),
        ("s3://lake/fraud/2027", "does not exist"),
        ("ftp://lake/fraud", "cannot be reached"),
    ],
)
def test_what_is_not_there_is_said(lake, source, said):
    with pytest.raises(InputError, match=said):
        locations.find_locations([source])


def test_a_store_that_refuses_is_said(lake, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match="cannot be reached"):
        locations.find_locations(["s3://lake/*.parquet"])


def test_endpoint_and_region_come_from_the_usual_variables():
    assert locations.s3_options({}) == {}
    said = {"AWS_ENDPOINT_URL": "https://minio:9000", "AWS_DEFAULT_REGION": "eu-west-1"}
    expected = {"endpoint_override": "minio:9000", "scheme": "https", "region": "eu-west-1"}
    assert locations.s3_options(said) == expected
