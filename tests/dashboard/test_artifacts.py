"""Where images are kept, and what is said of a place where they cannot be."""

import io
import sys

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from optuna.artifacts.exceptions import ArtifactNotFound

from explorer.dashboard import open_artifacts
from explorer.errors import InputError


class FakeS3:
    """What boto3's client for S3 does with what it is given, in memory."""

    def __init__(self):
        self.objects = {}

    def head_bucket(self, *, Bucket):  # noqa: N803
        if Bucket != "lab":
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadBucket")

    def upload_fileobj(self, file, bucket, key):
        self.objects[bucket, key] = file.read()

    def get_object(self, *, Bucket, Key):  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def delete_object(self, *, Bucket, Key):  # noqa: N803
        self.objects.pop((Bucket, Key), None)


@pytest.fixture
def s3(monkeypatch):
    fake = FakeS3()
    monkeypatch.setattr("boto3.client", lambda service: {"s3": fake}[service])
    return fake


@pytest.mark.parametrize(
    ("place", "key"), [("s3://lab", "ab-1"), ("s3://lab/some/where/", "some/where/ab-1")]
)
def test_a_bucket_with_and_without_a_prefix(s3, place, key):
    files = open_artifacts(place)
    with pytest.raises(ArtifactNotFound):
        files.open_reader("ab-1")
    files.write("ab-1", io.BytesIO(b"first"))
    assert s3.objects == {("lab", key): b"first"}
    assert files.open_reader("ab-1").read() == b"first"
    files.remove("ab-1")
    assert s3.objects == {}


@pytest.mark.parametrize("place", ["s3://", "gs://lab/x", "http://lab", "s3:///x"])
def test_a_place_that_is_none(place):
    with pytest.raises(InputError, match="no place for files; write DIR or s3://BUCKET"):
        open_artifacts(place)


def test_a_bucket_that_is_not_there_or_cannot_be_reached(s3, monkeypatch):
    with pytest.raises(InputError, match=r"'s3://other': cannot be reached.*Not Found"):
        open_artifacts("s3://other")

    def unreachable(**_):
        raise EndpointConnectionError(endpoint_url="http://nowhere")

    monkeypatch.setattr(s3, "head_bucket", unreachable)
    with pytest.raises(InputError, match="cannot be reached: Could not connect"):
        open_artifacts("s3://lab")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InputError, match=r"needs boto3: pip install 'fdsl-explorer\[s3\]'"):
        open_artifacts("s3://lab")


def test_a_file_where_a_folder_was_meant(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--artifacts: .*cannot be made \(File exists\)"):
        open_artifacts(str(tmp_path / "file"))
