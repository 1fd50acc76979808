import json

import pytest

from embfeast.recipe.versions import current_digest, load_current
from tests.commands.conftest import RECIPE, fails, run

pytestmark = pytest.mark.slow

SELECTING = (
    RECIPE
    + """
  products: {trick: feature_synthesizer, n_components: 3, select: l1, n_selected: 2}
"""
)


def test_a_fit_is_saved_made_current_and_says_what_comes_next(repo):
    said = run("fit", "--repo", repo, "--as-of", "2024-01-11").stdout
    fitted = load_current(repo / "data" / "recipes")
    assert f"recipe {fitted.digest[:12]}: fitted on 9 texts before 2024-01-11" in said
    assert "1 missing or blank" in said
    assert f"feast -c {repo} apply" in said
    assert (repo / "data" / "cache").is_dir()


def test_json_holds_the_whole_record_and_nothing_else(repo):
    found = json.loads(run("fit", "--repo", repo, "--json").stdout)
    assert found["digest"] == current_digest(repo / "data" / "recipes")
    assert (found["rows"], found["missing"], found["labels"]) == (11, 1, 0)


def test_labels_of_the_source_are_read_where_the_recipe_selects_by_them(repo):
    (repo / "recipe.yaml").write_text(SELECTING)
    assert "11 with a label" in run("fit", "--repo", repo).stdout


def test_labels_of_a_file_are_read_and_their_keys_may_have_another_type(repo, tmp_path):
    (repo / "recipe.yaml").write_text(SELECTING)
    rows = [f"{'north' if i < 8 else 'south'},{i:d},{'ab'[i % 2]}" for i in range(9)]
    (tmp_path / "labels.csv").write_text("\n".join(["shop,number,label", *rows]))
    said = run("fit", "--repo", repo, "--labels", tmp_path / "labels.csv").stdout
    assert "8 with a label" in said  # one of nine has no text


def test_clusters_keep_their_numbers_where_that_is_asked_for(repo):
    run("fit", "--repo", repo, "--as-of", "2024-01-09")
    first = current_digest(repo / "data" / "recipes")
    run("fit", "--repo", repo, "--keep-clusters")
    assert load_current(repo / "data" / "recipes").record.previous == first
    run("fit", "--repo", repo)
    assert load_current(repo / "data" / "recipes").record.previous is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--as-of", "soon"], "no ISO 8601 time"),
        (["--as-of", "2020-01-01"], "no rows before 2020"),
        (["--recipe", "none.yaml"], "none.yaml cannot be read"),
        (["--source", "tickets"], "no source 'tickets'; it has reviews"),
        (["--labels", "none.csv"], "none.csv cannot be read"),
        (["--keep-clusters"], "holds no fitted recipe"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_saved(repo, options, message):
    assert message in fails("fit", "--repo", repo, *options)
    assert not (repo / "data" / "recipes").exists()


def test_a_source_without_keys_is_said(repo):
    sources = (repo / "sources.py").read_text()
    (repo / "sources.py").write_text(sources.replace('key_columns=["shop", "number"],', ""))
    assert "set key_columns" in fails("fit", "--repo", repo)
