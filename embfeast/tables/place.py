"""Where a feature table lies: a folder of this machine, or a URI on object storage."""

import json
import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.storage import Folder, read_bytes, why_misread

LOG = "_delta_log"
READ_ERRORS = (OSError, pa.ArrowException, duckdb.Error)


@dataclass(frozen=True, order=True)
class Place(Folder):
    """A table's folder, whose path delta-rs takes as it is.

    Examples
    --------
    >>> Place("s3://bucket/features/ticket_reduced/").name
    'ticket_reduced'
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if odd := why_misread(self.uri):
            mend = "rename the folder" if self.is_local else "see offline_path and the views' names"
            raise EmbfeastError(f"feature table {self.uri}: {odd}", mend)

    def log_file(self, version: int) -> str:
        """Return where the log's file of a version lies.

        Examples
        --------
        >>> Place("data/t").log_file(7)
        'data/t/_delta_log/00000000000000000007.json'
        """
        return self.file(f"{LOG}/{version:020}.json")

    def stamp(self, version: int) -> tuple[int, ...]:
        """Tell the log's file of a version from another of that name.

        Nothing where there is none, or where it would have to be asked for over a network.
        """
        try:
            found = os.stat(self.log_file(version)) if self.is_local else None  # noqa: PTH116
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()

    def sync(self, version: int) -> None:
        """Make a commit, and the names of the files in it, survive a power cut."""
        if not self.stamp(version):
            return
        for path in (self.log_file(version), self.file(LOG), self.uri):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def version_at(self, at: datetime) -> int:
        """Return the version that its table had at a time, by what the log's files say.

        delta-rs would go by the times of those files, which a copy has not, and take the first that
        is left for all times before.

        Raises
        ------
        EmbfeastError
            The log does not reach back so far.
        """
        found = (re.fullmatch(r"(\d{20})\.json", name) for name in Folder(self.file(LOG)).names())
        versions = sorted(int(one[1]) for one in found if one)
        after = bisect_right(versions, at, key=self._written_at)
        if not after:
            raise EmbfeastError(
                f"feature table {self} has no version of {at.isoformat()}: the first that its log "
                f"names is of {self._written_at(versions[0]).isoformat()}",
                "name a later time; `kept_hours` of the batch_engine says how long versions stay",
            )
        return versions[after - 1]

    def _written_at(self, version: int) -> datetime:
        for line in read_bytes(self.log_file(version)).splitlines():
            if said := json.loads(line).get("commitInfo"):
                return datetime.fromtimestamp(said["timestamp"] / 1000, UTC)
        return datetime.min.replace(tzinfo=UTC)
