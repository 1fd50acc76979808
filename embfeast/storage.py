"""Files of this machine and of object storage, by path or URI; keys come from the environment.

``s3://bucket/folder`` is read and written by the library that keeps the feature tables, so that
one set of variables (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``...) is for all that lies there.
"""

import os
import re
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
from pyarrow import fs

from embfeast.errors import EmbfeastError, first_line

# What servers and the library say, what it means here, and what to do.
MEANINGS = (
    ("NoSuchBucket", "the bucket does not exist", "correct its name, or make the bucket"),
    ("ContainerNotFound", "the bucket does not exist", "correct its name, or make the bucket"),
    ("InvalidAccessKeyId", "the access key is unknown", "see AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", "the secret key is wrong", "see AWS_SECRET_ACCESS_KEY"),
    ("ExpiredToken", "the session has expired", "see AWS_SESSION_TOKEN"),
    ("RequestTimeTooSkewed", "this machine's clock differs from the server's", "set the clock"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region", "see AWS_REGION"),
    ("redirect", "the bucket is in another region", "see AWS_REGION"),
    ("301 Moved", "the bucket is in another region", "see AWS_REGION"),
    ("AccessDenied", "access was denied", "see AWS_ACCESS_KEY_ID and the bucket's policy"),
    ("403 Forbidden", "access was denied", "see AWS_ACCESS_KEY_ID and the bucket's policy"),
    ("instance metadata", "there are no credentials", "set AWS_ACCESS_KEY_ID and its secret"),
    ("169.254.169.254", "there are no credentials", "set AWS_ACCESS_KEY_ID and its secret"),
    ("error sending request", "its server does not answer", "see AWS_ENDPOINT_URL"),
    ("response body", "the connection to its server was lost", "see AWS_ENDPOINT_URL"),
)
ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_")
# The same in the words of other storage than S3.
WORDS = {
    "az://": {
        "AWS_ACCESS_KEY_ID": "AZURE_STORAGE_ACCOUNT_KEY",
        " and its secret": "",
        "AWS_ENDPOINT_URL": "AZURE_STORAGE_ENDPOINT",
        "bucket": "container",
    },
    "gs://": {
        "AWS_ACCESS_KEY_ID": "GOOGLE_SERVICE_ACCOUNT",
        " and its secret": "",
        "AWS_ENDPOINT_URL": "GOOGLE_SERVICE_ACCOUNT",
    },
}


@dataclass(frozen=True, order=True)
class Folder:
    """A folder of this machine, or of object storage.

    Attributes
    ----------
    uri : str
        A path, or ``s3://bucket/folder``, ``gs://...``, ``az://...``.

    Examples
    --------
    >>> Folder("s3://bucket/recipes/").file("current")
    's3://bucket/recipes/current'
    """

    uri: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", self.uri.rstrip("/") or "/")

    @classmethod
    def of(cls, given: "str | Path | Folder", base: Path | None = None) -> "Folder":
        """Return a folder as it was given; a relative path starts at `base`."""
        if isinstance(given, Folder):
            return given
        here = is_local(str(given))
        return Folder(str(base / given) if here and base is not None else str(given))

    def __str__(self) -> str:
        return self.uri

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return is_local(self.uri)

    @property
    def path(self) -> Path:
        """The folder, of a local one."""
        return Path(self.uri)

    @property
    def name(self) -> str:
        """The last part."""
        return self.uri.rsplit("/", 1)[-1]

    def file(self, name: str) -> str:
        """Return where a file of it lies."""
        return f"{self.uri}/{name}"

    def below(self, name: str) -> "Folder":
        """Return a folder in it."""
        return Folder(self.file(name))

    def resolve(self) -> "Folder":
        """Return it as it is seen from any working directory."""
        return Folder(str(self.path.resolve())) if self.is_local else self

    def names(self) -> list[str]:
        """Return the names of what is in it, in order; none where it is not there."""
        return list(entries(self))


def is_local(uri: str) -> bool:
    """Tell whether a path is one of this machine.

    Examples
    --------
    >>> is_local("data/recipes"), is_local("s3://bucket/recipes")
    (True, False)
    """
    return "://" not in uri


def why_misread(uri: str) -> str:
    """Return why the library would take a path for another one, or nothing.

    Examples
    --------
    >>> why_misread("data/100%25"), why_misread("s3://bucket/tickets")
    ('a path must not hold % before two digits', '')
    """
    if re.search("%[0-9A-Fa-f]{2}", uri):
        return "a path must not hold % before two digits"
    if not is_local(uri) and re.search("[^A-Za-z0-9_.=/:@-]", uri):
        return "a path on object storage has letters, digits and -_.="
    return ""


def open_to_read(file: str) -> Any:
    """Return what pyarrow reads a file from: its path, or a stream of object storage."""
    if is_local(file):
        return file
    storage, path = _storage(file)
    try:
        return storage.open_input_file(path)
    except OSError as error:
        if "status code" in str(error):
            storage.get_file_info(path)  # the answer to a HEAD says not why, that to a list does
        raise


def open_to_write(file: str) -> IO[bytes]:
    """Open a new file."""
    if is_local(file):
        return open(file, "wb")  # noqa: PTH123 - as the other branch does
    storage, path = _storage(file)
    return cast("IO[bytes]", storage.open_output_stream(path))


def remove_file(file: str) -> None:
    """Remove a file, if it is there."""
    if is_local(file):
        Path(file).unlink(missing_ok=True)
        return
    storage, path = _storage(file)
    storage.delete_file(path)


def rename_file(file: str, name: str) -> str:
    """Give a file another name in its folder, in the place of one that has it; return its path."""
    folder = file.rpartition("/")[0]
    renamed = f"{folder}/{name}"
    if is_local(file):
        Path(file).replace(renamed)
    else:
        storage, path = _storage(file)
        storage.move(path, _storage(renamed)[1])
    return renamed


def exists(file: str, size: int | None = None) -> bool:
    """Tell whether a file is there, and of a size where one is given."""
    if is_local(file):
        path = Path(file)
        return path.is_file() and size in (None, path.stat().st_size)
    storage, path_there = _storage(file)
    found = storage.get_file_info(path_there)
    return bool(found.type == fs.FileType.File) and size in (None, found.size)


def entries(folder: Folder) -> dict[str, bool]:
    """Return the names of what is in a folder, in order, and whether each is a folder."""
    if folder.is_local:
        return {one.name: one.is_dir() for one in sorted(folder.path.glob("*"))}
    storage, path = _storage(folder.file(""))
    found = storage.get_file_info(fs.FileSelector(path.rstrip("/")))
    return {
        one.base_name: one.type == fs.FileType.Directory
        for one in sorted(found, key=lambda one: one.base_name)
    }


def files_below(folder: Folder) -> list[str]:
    """Return the files of a folder of object storage and of those in it, in order."""
    storage, path = _storage(folder.file(""))
    found = storage.get_file_info(fs.FileSelector(path.rstrip("/"), recursive=True))
    bucket = folder.uri[: len(folder.uri) - len(path.rstrip("/"))].rstrip("/")
    return sorted(f"{bucket}/{one.path}" for one in found if one.type == fs.FileType.File)


def read_bytes(file: str) -> bytes:
    """Read a whole file."""
    if is_local(file):
        return Path(file).read_bytes()
    with open_to_read(file) as stream:
        content: bytes = stream.read()
        return content


def write_bytes(file: str, content: bytes) -> None:
    """Write a file, which appears whole or not at all, in the place of an earlier one."""
    if not is_local(file):
        with open_to_write(file) as stream:
            stream.write(content)
        return
    path = Path(file)
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    half.write_bytes(content)
    half.replace(path)


def meaning(what: str, told: str) -> tuple[str, str] | None:
    """Return what words of a server or the library mean for a place, and what to do.

    Examples
    --------
    >>> meaning("table az://texts/t", "403 Forbidden")
    ('access was denied', "see AZURE_STORAGE_ACCOUNT_KEY and the container's policy")
    >>> meaning("table az://texts/t", "no answer of 169.254.169.254")
    ('there are no credentials', 'set AZURE_STORAGE_ACCOUNT_KEY')
    """
    words = next((words for scheme, words in WORDS.items() if scheme in what), {})
    for sign, *meant in MEANINGS:
        if sign in told:
            for ours, theirs in words.items():
                meant = [one.replace(ours, theirs) for one in meant]
            return meant[0], meant[1]
    return None


def refused(what: str, error: Exception) -> EmbfeastError:
    """Return the one clear error for what storage said; nothing that it was sent is in it."""
    told = str(error)
    if meant := meaning(what, told):
        return EmbfeastError(f"{what}: {meant[0]}", meant[1])
    told = re.sub(r"(?s)^Traceback.*?\n(?=\w+: )", "", told)  # of what DuckDB calls
    status = re.search(r"\b[45]\d\d [A-Z][a-z]+( [A-Z][a-z]+)*", told)
    return EmbfeastError(f"{what}: {status[0] if status else first_line(told)}")


def _storage(file: str) -> tuple[fs.FileSystem, str]:
    scheme, rest = file.split("://", 1)
    bucket, _, path = rest.partition("/")
    keys = ((n, v) for n, v in os.environ.items() if n.startswith(ENVIRONMENT))
    return _filesystem(f"{scheme}://{bucket}", frozenset(keys)), path


@lru_cache(maxsize=8)  # anew where keys or endpoint have changed
def _filesystem(bucket: str, environment: frozenset[tuple[str, str]]) -> fs.FileSystem:
    from deltalake.fs import DeltaStorageHandler

    class Storage(DeltaStorageHandler):
        """delta-rs' files, but that what pyarrow writes are buffers and what they take is bytes."""

        def open_output_stream(
            self, path: str, metadata: dict[str, str] | None = None
        ) -> pa.PythonFile:
            stream: Any = _TakesBuffers(self._handler.open_output_stream(path, metadata))
            return pa.PythonFile(stream, "w")

    return fs.PyFileSystem(Storage(bucket))


class _TakesBuffers:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: Any) -> Any:
        return self._stream.write(bytes(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
