import sys
from importlib import import_module

import pytest

from embfeast import EmbfeastError
from embfeast.repository.sources import text_source, text_sources

SOURCE = """
from embfeast.plugin import DuckDBSource

{name} = DuckDBSource(
    name="{name}", database="a.duckdb", table="t", text_columns="body", timestamp_field="at",
    key_columns="id",
)
"""
VIEWS = """
from embfeast.recipe.versions import load_current
from sources import reviews

load_current("{folder}")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sources.py").write_text(SOURCE.format(name="reviews"))
    (tmp_path / "views.py").write_text(VIEWS.format(folder=tmp_path / "recipes"))
    return tmp_path


def test_the_only_source_is_found_before_a_recipe_is_fitted(folder):
    assert text_source(folder).key_columns == ("id",)


def test_modules_of_a_repository_are_forgotten_so_that_another_may_use_their_names(
    folder, tmp_path
):
    text_source(folder)
    assert "sources" not in sys.modules
    (folder / "sources.py").write_text(SOURCE.format(name="messages"))
    (folder / "views.py").unlink()
    assert list(text_sources(folder)) == ["messages"]


def test_a_module_of_another_place_with_the_same_name_is_not_taken_for_the_repositorys(
    folder, tmp_path_factory, monkeypatch
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "sources.py").write_text("reviews = None")
    monkeypatch.syspath_prepend(elsewhere)
    other = import_module("sources")
    assert text_source(folder).name == "reviews"
    assert import_module("sources") is other
    del sys.modules["sources"]


def test_of_several_sources_one_must_be_named(folder):
    (folder / "more.py").write_text(SOURCE.format(name="messages"))
    with pytest.raises(EmbfeastError, match=r"name one of its text sources; it has .*messages"):
        text_source(folder)
    assert text_source(folder, "reviews").name == "reviews"


def test_an_unknown_source_or_none_at_all_is_said(folder):
    with pytest.raises(EmbfeastError, match="no source 'tickets'; it has reviews"):
        text_source(folder, "tickets")
    (folder / "sources.py").unlink()
    (folder / "views.py").unlink()
    with pytest.raises(EmbfeastError, match="declare one"):
        text_source(folder)


def test_a_file_that_cannot_be_imported_is_named(folder):
    (folder / "sources.py").write_text("import nothing_of_that_name")
    with pytest.raises(EmbfeastError, match=r"sources.py cannot be imported: ModuleNotFoundError"):
        text_sources(folder)
