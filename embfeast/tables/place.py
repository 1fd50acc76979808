"""Where a feature table lies: a folder of this machine, or a URI on object storage."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.storage import Folder, why_misread

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
