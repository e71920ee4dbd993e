"""Where the pictures of trials are kept: a directory, or a bucket that speaks S3."""

import os
import shutil
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, BinaryIO

from optuna.artifacts import FileSystemArtifactStore

from explorer.errors import InputError

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore

_RIGHT = "write DIR or s3://BUCKET or s3://BUCKET/PREFIX"


def open_artifacts(place: str) -> "ArtifactStore":
    """Open the store of a directory, which is made, or of ``s3://bucket/prefix``.

    The bucket has to be there. Where it is and who may write to it is for the environment
    variables of boto3 to say (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...).

    Raises:
        InputError: If the directory cannot be written to, the bucket cannot be reached, or boto3 is
            not installed.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return _directory(Path(place))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InputError("--artifacts", None, place, f"no place for files; {_RIGHT}")
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        remedy = "a bucket needs boto3: pip install 'fdsl-explorer[s3]'"
        raise InputError("--artifacts", None, place, remedy) from error
    try:
        client = boto3.client("s3")
        client.head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise InputError("--artifacts", None, place, f"cannot be reached: {error}") from error
    return Bucket(bucket, prefix, client)


def _directory(path: Path) -> "ArtifactStore":
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = f"cannot be written to ({error.strerror}); {_RIGHT}"
        raise InputError("--artifacts", None, str(path), remedy) from error
    return Directory(path)


class Directory(FileSystemArtifactStore):
    """Optuna's store of a directory, whose files are written whole or not at all."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write a file under an artifact's id; one that is there is replaced."""
        path = self._get_filepath(artifact_id)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
        with temporary.open("wb") as file:
            shutil.copyfileobj(content_body, file)
        temporary.replace(path)


class Bucket:
    """Optuna's store of a bucket, under a prefix that several studies or labs can share one by.

    Args:
        bucket: Name of the bucket.
        prefix: What the names of all objects begin with, without a slash at its end; may be empty.
        client: A client of boto3 for S3.
    """

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        from optuna.artifacts import Boto3ArtifactStore

        self._store = Boto3ArtifactStore(bucket, client)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact for reading; raises Optuna's ``ArtifactNotFound``."""
        return self._store.open_reader(self._prefix + artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write an artifact; one that is there is replaced."""
        self._store.write(self._prefix + artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact."""
        self._store.remove(self._prefix + artifact_id)
