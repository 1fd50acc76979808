"""Where a feature table lies: a folder of this machine, or a URI on object storage."""

import re
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from embfeast.errors import EmbfeastError
from embfeast.storage import Folder

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
        # delta-rs would take either for another folder.
        if re.search("%[0-9A-Fa-f]{2}", self.uri):
            raise EmbfeastError(
                f"feature table {self.uri}: a path must not hold % before two digits",
                "rename the folder",
            )
        if not self.is_local and re.search("[^A-Za-z0-9_.=/:@-]", self.uri):
            raise EmbfeastError(
                f"feature table {self.uri}: a path on object storage has letters, digits and -_.=",
                "see offline_path and the names of the views",
            )
