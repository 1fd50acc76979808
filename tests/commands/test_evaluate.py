import json

import pytest

from embfeast import Recipe
from tests.commands.conftest import fails, review, run, write

pytestmark = pytest.mark.slow

QUICK = ["--folds", "2"]


@pytest.fixture
def many(repo):
    write(repo, [review(i, 1 + i % 28) for i in range(100, 160)])
    return repo


def test_the_tables_own_label_is_predicted_in_order_of_time(many):
    said = run("evaluate", "--repo", many, *QUICK, "--markdown").stdout
    assert "75 texts (1 left out for want of text or label)" in said
    assert "folds by time" in said
    assert "| linear | raw + cluster |" in said


@pytest.mark.parametrize("width", [60, 100])
def test_the_verdict_comes_first_and_the_table_fits_the_terminal(many, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    said = run("evaluate", "--repo", many, *QUICK, "--only", "reduced").stdout.splitlines()
    assert said[0].startswith("Use ")
    table = [line for line in said if line[:1] in "┏┃┡│└"]
    assert len(table) > 7
    assert {len(line) for line in table} == {len(table[0])}
    assert len(table[0]) <= width
    assert "…" not in "".join(table)


def test_json_is_all_that_is_printed(many):
    found = json.loads(
        run("evaluate", "--repo", many, *QUICK, "--only", "reduced", "--json").stdout
    )
    assert [row["features"] for row in found["rows"]] == ["majority", "words", "raw", "reduced"]
    assert {"low", "high", "verdict", "over"} <= set(found["rows"][3])


def test_labels_may_come_from_a_file_or_another_column(many, tmp_path):
    rows = [f"north,{i},{'cold' if i % 4 else 'warm'}" for i in range(100, 160)]
    (tmp_path / "labels.csv").write_text("\n".join(["shop,number,label", *rows]))
    file = ["--labels", tmp_path / "labels.csv", "--only", "reduced"]
    assert "60 texts" in run("evaluate", "--repo", many, *QUICK, *file).stdout
    column = ["--label", "shop", "--split", "stratified", "--only", "reduced"]
    assert "stratified folds" in run("evaluate", "--repo", many, *QUICK, *column).stdout


def test_a_chosen_recipe_is_written_where_it_can_be_fitted(many, tmp_path):
    out = tmp_path / "chosen.yaml"
    choice = ["--choose", "--max-width", "4", "--tolerance", "1", "--out", out, "--json"]
    found = json.loads(run("evaluate", "--repo", many, *QUICK, *choice).stdout)
    assert found["chosen"]["recipe"] == out.read_text()
    assert "features" in Recipe.from_yaml(out).settings.tricks
    run("fit", "--repo", many, "--recipe", out)


def test_a_file_needs_no_repository_and_a_time_column_means_a_split_by_time(tmp_path):
    reviews = [review(i, 1 + i % 28) for i in range(6, 66)]
    rows = [f'"{text}",{stars},{at}' for _, _, text, at, _, stars in reviews]
    (tmp_path / "r.csv").write_text("\n".join(["body,stars,at", *rows]), encoding="utf-8")
    (tmp_path / "r.yaml").write_text(
        "tricks: {small: {trick: embedding_reducer, n_components: 3}}\n"
    )
    file = ["--file", tmp_path / "r.csv", "--text", "body", "--label", "stars"]
    file += ["--recipe", tmp_path / "r.yaml", "--only", "small", *QUICK]
    assert "stratified folds" in run("evaluate", *file).stdout
    said = run("evaluate", *file, "--time", "at", "--figure", tmp_path / "f.svg").stdout
    assert "folds by time" in said
    assert (tmp_path / "f.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "mood"], "no label column 'mood'; it has shop"),
        (["--label", "stars", "--labels", "labels.csv"], "give either --label"),
        (["--out", "chosen.yaml"], "belong to --choose"),
        (["--model", "magic"], "magic"),
        (["--split", "luck"], "choose from time, grouped, stratified"),
        (["--file", "r.csv"], "--file needs --label"),
        (["--file", "r.csv", "--label", "stars"], "r.csv does not exist"),
    ],
)
def test_a_mistake_is_said(repo, options, message):
    assert message in fails("evaluate", "--repo", repo, *QUICK, *options)
