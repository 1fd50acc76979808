import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from embfeast import EmbfeastError
from embfeast.repository import Repository, lookup, materialize, verify
from embfeast.tables import coverage
from embfeast.tables.table import Table
from tests.small_repository import day


def test_settings_and_recipes_lie_where_the_repository_says(repo):
    repository = Repository(repo.store())
    assert repository.folder == repo.path
    assert repository.settings.recipes.path == repo.recipes
    assert repository.settings.cache.folder == repo.path / "data" / "cache"
    assert repository.settings.engine.chunk_rows == 5
    with pytest.raises(EmbfeastError, match="no fitted recipe; fit one first"):
        repository.settings.recipe()
    fitted = repo.fit(day(8))
    assert repository.fitted.digest == fitted.digest
    assert repository.fitted.encoder.cache is not None
    assert repository.settings.recipe(fitted.digest, cached=False).encoder.cache is None


def test_nothing_applied_is_said_and_views_know_their_tables(repo):
    repository = Repository.of(repo.store())
    assert Repository.of(repository) is repository
    with pytest.raises(EmbfeastError, match="run `feast apply` first"):
        repository.applied_views()
    fitted = repo.fit(day(8))
    repo.apply(fitted)
    tables = {table.view: table for table in repository.tables}
    assert set(tables) == {view.name for view in repository.applied_views()}
    assert {table.digest for table in tables.values()} == {fitted.digest}
    features = repo.path / "data" / "features"
    assert tables["review_reduced"].place.path == features / "review_reduced" / fitted.digest
    assert repository.text_periods() == {repo.source: (day(0), day(11))}


def test_every_function_takes_a_store_or_a_repository(repo):
    store = repo.apply(repo.fit(day(8)))
    repository = Repository(store)
    done = materialize(repository)
    assert (done.start, done.end) == (day(0), day(11))
    assert coverage.read(Table.open(repository.tables[0].place)) == [(day(0), day(11))]
    lag = timedelta(0)
    assert verify(repository, max_lag=lag) == verify(store, max_lag=lag)
    assert lookup(repository, {"review_id": 3}, "all") == lookup(store, {"review_id": 3}, "all")


def test_a_folder_without_settings_is_said(tmp_path):
    with pytest.raises(EmbfeastError, match=r"feature_store.yaml does not exist; name the rep"):
        Repository.open(tmp_path)
    (tmp_path / "feature_store.yaml").write_text("[]")
    with pytest.raises(EmbfeastError, match="holds no settings; write project"):
        Repository.open(tmp_path)


def test_the_exported_names_are_functions_whatever_was_imported_before():
    code = """
import pkgutil, sys
from importlib import import_module

def forget():
    for name in [name for name in sys.modules if name.startswith("embfeast.repository")]:
        del sys.modules[name]

rooms = import_module("embfeast.repository")
every = [m.name for m in pkgutil.walk_packages(rooms.__path__, "embfeast.repository.")]
some = ["embfeast.repository.fitting", "embfeast.repository.check.verify"]
for before in ([], some, every):
    forget()
    for name in before:
        import_module(name)
    rooms = import_module("embfeast.repository")
    assert isinstance(rooms.Repository, type)
    assert all(callable(getattr(rooms, name)) for name in rooms.__all__)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
