"""A key erased for good: from feature tables, online store and embedding cache."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureStore, FeatureView

from embfeast.errors import EmbfeastError
from embfeast.plugin.engine.entity_states import as_keys, entities_of
from embfeast.plugin.feature_table import FeatureTable, has_states, is_served
from embfeast.plugin.online.write import erase_online
from embfeast.plugin.source import DuckDBSource
from embfeast.repository.following import follow_texts
from embfeast.repository.repository import Repository
from embfeast.storage import remove_file
from embfeast.tables.columns import ENTITY, TEXT_DIGEST
from embfeast.tables.place import LOG, Place
from embfeast.tables.rewrite import delete_keys
from embfeast.tables.table import Table
from embfeast.texts.database import quote
from embfeast.texts.forgotten import ForgottenKeys
from embfeast.texts.opened import joined_texts

OF_TEXT = "[1:32]"  # of a row's digest, which may go on with that of the texts before
SHORTEST = 8  # characters of a text that is searched for in other files


@dataclass(frozen=True)
class Forgotten:
    """What was erased: rows of feature tables, and texts of the embedding cache.

    And the files below the repository that still hold a text of the key, such as reports.
    """

    rows: int
    cached: int
    left: list[str]


def forget(store: FeatureStore | Repository, key: Mapping[str, Any]) -> Forgotten:
    """Erase a key for good, and list it so that no run or push brings it back.

    Parameters
    ----------
    store : FeatureStore or Repository
    key : mapping
        The values of all key columns of a text source; strings will do.

    Returns
    -------
    Forgotten

    Raises
    ------
    EmbfeastError
        No view has just these keys, a value is not of its key's type, or a store refuses it. What
        is stopped in between is repaired by doing it again.

    Examples
    --------
    ::

        forget(Repository.open("feature_repo"), {"ticket_id": 17})
    """
    repository = Repository.of(store)
    views = [
        view
        for view in repository.applied_views()
        if not has_states(view) and set(repository.table(view).source_keys) == set(key)
    ]
    if not views:
        texts_of = map(repository.table, repository.text_views)
        known = sorted({", ".join(table.source_keys) for table in texts_of})
        raise EmbfeastError(
            f"no view has the key {', '.join(key) or '(none)'}", f"there is {' or '.join(known)}"
        )
    tables = [repository.table(view) for view in views]
    values = _typed(tables[0], key)
    sources = {table.source for table in tables}
    texts = [text for source in sources for text in _texts(repository, source, values)]
    ForgottenKeys(repository.folder).add(values)
    for view in views:
        _erase_online(repository, view, values)
    digests = {hashlib.sha256(text.encode()).digest() for text in texts}
    rows = 0
    places = set(_places(tables))
    # States first: who wrote the text is known from its rows alone.
    _erase_states(repository, [_entities(Table.open(place), values) for place in places])
    for place in places:
        count, had = _erase_offline(Table.open(place), values, {table.prefix for table in tables})
        rows += count
        digests |= had
    follow_texts(repository)
    alone = digests - _still_there(places, digests)
    cache = repository.settings.cache
    cached = cache.forget(alone) if cache else 0
    return Forgotten(rows, cached, list(_left(repository, texts)))


def _typed(table: FeatureTable, key: Mapping[str, Any]) -> dict[str, Any]:
    """Bring values to the types of a table's keys."""
    typed = {}
    for name in table.source_keys:
        kind = table.schema.field(table.prefix + name).type
        try:
            typed[name] = pa.array([key[name]]).cast(kind)[0].as_py()
        except pa.ArrowException as error:
            said = f"key {name}={key[name]!r} is not {kind}, as the view has it"
            raise EmbfeastError(said) from error
    return typed


def _texts(repository: Repository, source: DuckDBSource, key: Mapping[str, Any]) -> list[str]:
    """Return the texts of a key that the source has now."""
    columns = ", ".join(map(quote, source.text_columns))
    same = " AND ".join(f"{quote(name)} = ${i}" for i, name in enumerate(key, 1))
    with source.open(repository.folder, list(key)) as opened:
        rows = opened.connection.sql(
            f"SELECT {columns} FROM {opened.relation} WHERE {same}", params=list(key.values())
        ).to_arrow_table()
    return [text for text in joined_texts(rows, source.text_columns) if text]


def _erase_online(repository: Repository, view: FeatureView, key: Mapping[str, Any]) -> None:
    if is_served(view):
        table = repository.table(view)
        keys = _row_of(key, table.schema, table.prefix)
        erase_online(repository.store.config, repository.store.provider.online_store, view, keys)


def _row_of(key: Mapping[str, Any], schema: pa.Schema, prefix: str) -> pa.Table:
    """Return a key as a row of a table whose keys have a prefix."""
    row = {prefix + name: value for name, value in key.items()}
    return pa.Table.from_pylist([row], pa.schema([schema.field(name) for name in row]))


def _places(tables: Iterable[FeatureTable]) -> Iterator[Place]:
    """Yield the views' tables, and where they lie on this machine those of earlier recipes too."""
    for table in tables:
        yield table.place
        if table.place.is_local:  # a folder a recipe, in the view's
            for log in table.place.path.parent.glob(f"*/{LOG}"):
                yield Place(str(log.parent))


def _erase_offline(
    stored: Table, key: Mapping[str, Any], prefixes: set[str]
) -> tuple[int, set[bytes]]:
    """Delete a key's rows, and the files that have held them; return their texts' digests too."""
    columns = stored.schema.names
    fitting = [p for p in sorted(prefixes) if all(p + name in columns for name in key)]
    if not fitting or TEXT_DIGEST not in columns:
        return 0, set()  # of a view with other keys that had the same name
    gone = _row_of(key, stored.schema, fitting[0])
    same = " AND ".join(f"stored.{quote(n)} = gone.{quote(n)}" for n in gone.column_names)
    found = stored.query(
        f"SELECT DISTINCT {TEXT_DIGEST}{OF_TEXT} AS digest FROM {stored.scan()} stored "
        f"SEMI JOIN gone ON {same} WHERE {TEXT_DIGEST} IS NOT NULL",
        gone=gone,
    )
    return _erase(stored, gone), _digests(found)


def _entities(stored: Table, key: Mapping[str, Any]) -> pa.Table:
    """Return the entities that a table of what these wrote before names for a key."""
    if ENTITY not in stored.schema.names or not set(key) <= set(stored.schema.names):
        return pa.table({ENTITY: pa.array([], pa.string())})
    return entities_of(stored, _row_of(key, stored.schema, ""))


def _erase_states(repository: Repository, wrote: list[pa.Table]) -> None:
    """Erase all states of entities, which hold their texts' vectors, earlier recipes' too."""
    entities = pa.concat_tables(wrote).group_by(ENTITY).aggregate([])
    for view in repository.state_views if entities.num_rows else ():
        table = repository.table(view)
        keys = pa.table({table.keys[0]: as_keys(entities[ENTITY], table)})
        if is_served(view):
            online = repository.store.provider.online_store
            erase_online(repository.store.config, online, view, keys)
        for place in set(_places([table])):
            _erase(Table.open(place), keys)


def _erase(stored: Table, keys: pa.Table) -> int:
    """Delete rows of keys, and the files that have held them."""
    count = delete_keys(stored, keys)
    stored.vacuum(0)
    for file in stored.unread():  # what killed runs have left
        remove_file(file)
    return count


def _still_there(places: Iterable[Place], digests: set[bytes]) -> set[bytes]:
    """Return those of the digests that rows of other keys have."""
    wanted = pa.table({"digest": pa.array(sorted(digests), pa.binary())})
    found: set[bytes] = set()
    for place in places:
        stored = Table.open(place)
        rows = stored.query(
            f"SELECT digest FROM wanted SEMI JOIN {stored.scan()} stored "
            f"ON stored.{TEXT_DIGEST}{OF_TEXT} = wanted.digest",
            wanted=wanted,
        )
        found |= _digests(rows)
    return found


def _digests(rows: pa.Table) -> set[bytes]:
    return {bytes(digest) for digest in rows["digest"].to_pylist() if digest}


def _left(repository: Repository, texts: list[str]) -> Iterator[str]:
    """Yield the files below the repository, but for the text databases, that hold a text."""
    wanted = [text.encode() for text in texts if len(text) >= SHORTEST]
    own = {source.place_in(repository.folder).resolve().path for source in repository.sources}
    for path in sorted(Path(repository.folder).resolve().rglob("*") if wanted else ()):
        is_own = path in own or any(parent in own for parent in path.parents)
        if path.is_file() and not is_own:
            held = path.read_bytes()
            if any(text in held for text in wanted):
                yield str(path)
