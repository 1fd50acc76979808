"""A table whose columns are called otherwise, as a source's field mapping says."""

from collections.abc import Mapping

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.texts.database import quote


def renamed(
    where: str, relation: str, types: Mapping[str, str], new_names: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Return what stands after FROM, and the types of its columns, both by their new names.

    Examples
    --------
    >>> renamed("source 's'", '"t"', {"id": "BIGINT", "body": "VARCHAR"}, {"id": "ticket"})
    ('(SELECT * RENAME ("id" AS "ticket") FROM "t")', {'ticket': 'BIGINT', 'body': 'VARCHAR'})
    """
    where = f"{where}: field_mapping"
    for old in new_names:
        if old not in types:
            raise EmbfeastError(
                f"{where}: there is no column {old!r}{did_you_mean(old, types)}",
                f"there are {', '.join(types)}",
            )
    seen: dict[str, str] = {}
    for old in types:
        new = new_names.get(old, old)
        if (other := seen.setdefault(new.casefold(), old)) != old:
            raise EmbfeastError(
                f"{where}: {other!r} and {old!r} would both be called {new!r}",
                "DuckDB does not tell capital letters from small ones; give another name",
            )
    pairs = ", ".join(f"{quote(old)} AS {quote(new)}" for old, new in new_names.items())
    return (
        f"(SELECT * RENAME ({pairs}) FROM {relation})",
        {new_names.get(name, name): kind for name, kind in types.items()},
    )
