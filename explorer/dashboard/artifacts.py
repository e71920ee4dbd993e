"""Where the images of arms are kept: a folder, or a bucket that speaks S3."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from optuna.artifacts import FileSystemArtifactStore

from explorer.errors import InputError
from explorer.files import make_folder

if TYPE_CHECKING:
    from explorer.store import Database

_RIGHT = "write DIR or s3://BUCKET or s3://BUCKET/PREFIX"


def default_place(database: "Database") -> str:
    """Return the folder beside a database: ``explorer.artifacts`` beside ``explorer.db``.

    A database on a server has no place beside it: the folder is ``explorer.artifacts`` here.
    """
    url = database.engine.url
    if url.get_backend_name() == "sqlite" and url.database:
        return str(Path(url.database).with_suffix(".artifacts"))
    return "explorer.artifacts"


def open_artifacts(place: str) -> "FileSystemArtifactStore | Bucket":
    """Open the store of a folder, which is made, or of ``s3://BUCKET/PREFIX``.

    The bucket has to be there. Its address and who may write to it come from the environment
    variables of boto3 (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...).

    Raises:
        InputError: If the folder cannot be made, the bucket cannot be reached, or boto3 is not
            installed.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        try:
            make_folder(Path(place))
        except OSError as error:
            remedy = f"cannot be made ({error.strerror}); {_RIGHT}"
            raise InputError("--artifacts", None, place, remedy) from error
        return FileSystemArtifactStore(place)
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


class Bucket:
    """Optuna's store of a bucket, under a prefix, so that several databases can share one.

    Args:
        bucket: Name of the bucket.
        prefix: What the names of all objects begin with; may be empty.
        client: A client of boto3 for S3.
    """

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        from optuna.artifacts import Boto3ArtifactStore

        self._store = Boto3ArtifactStore(bucket, client)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact; raises Optuna's ``ArtifactNotFound``."""
        return self._store.open_reader(self._prefix + artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write an artifact; one that is there is replaced."""
        self._store.write(self._prefix + artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact."""
        self._store.remove(self._prefix + artifact_id)
