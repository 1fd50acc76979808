"""How DuckDB calls the types of columns, and which of them a text, a key or a time may have."""

import re
from collections.abc import Mapping

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.texts.database import quote
from embfeast.texts.forgotten import FRACTION_TYPES

MOMENT = "TIMESTAMP WITH TIME ZONE"
ZONED = {MOMENT, "TIMESTAMPTZ_NS"}
TEXT_TYPES = {"VARCHAR", "ENUM", "UUID", "JSON"}  # read as text
TIME_TYPES = {"TIMESTAMP", "TIMESTAMPTZ", "DATE"}
WHOLE_TYPES = {
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
} | {"HUGEINT"}
KEY_TYPES = TEXT_TYPES | WHOLE_TYPES | FRACTION_TYPES | {"BOOLEAN", "DATE"}  # of one text each
NUMBER_TYPES = {"INTEGER", "BIGINT", "UBIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL"}


def base_type(kind: str) -> str:
    """Return a DuckDB type without width, unit or zone.

    Examples
    --------
    >>> base_type("DECIMAL(9,2)"), base_type("TIMESTAMP WITH TIME ZONE"), base_type("FLOAT[384]")
    ('DECIMAL', 'TIMESTAMP', 'FLOAT[384]')
    """
    element = re.sub(r"\[\d*\]$", "", kind)
    return re.split(r"[(\s_]", element, maxsplit=1)[0].upper() + kind[len(element) :]


def moment(column: str) -> str:
    """Return the SQL of a time as it is stored: with a zone, in microseconds."""
    return f"CAST({quote(column)} AS {MOMENT})"


def check_column(name: str, types: Mapping[str, str], what: str, column: str) -> None:
    """Refuse a column that the table `name` has not got, and say what it was to be."""
    if column not in types:
        raise EmbfeastError(
            f"{name} has no {what} column {column!r}{did_you_mean(column, types)}",
            f"it has {', '.join(types)}",
        )


def check_label_columns(name: str, types: Mapping[str, str], label: str, known: str | None) -> None:
    """Refuse a label's column, or that of when it was known, that the table `name` has not got."""
    check_column(name, types, "label", label)
    if known:
        check_column(name, types, "label time", known)
    if known and base_type(types[known]) not in TIME_TYPES:
        raise EmbfeastError(
            f"{name}: label time column {known!r} is {types[known]}, not a timestamp or date",
            "name the column that says when the label was known",
        )
