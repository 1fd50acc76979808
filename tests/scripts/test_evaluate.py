import csv
import json

import pytest
import typer
from typer.testing import CliRunner

import coarse_labels
import evaluate
from embfeast import EmbfeastError

pytestmark = pytest.mark.slow

RECIPE = """
tricks:
  reduced:
    trick: embedding_reducer
    n_components: 8
"""


@pytest.fixture(scope="module")
def folder(tickets, tmp_path_factory):
    made = tmp_path_factory.mktemp("evaluate")
    texts, labels = tickets
    with (made / "t.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["body", "kind", "at"])
        rows.writerows(
            (text, label, f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00Z")
            for i, (text, label) in enumerate(zip(texts[:300], labels[:300], strict=True))
        )
    (made / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return made


def run(main, *words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def common(folder):
    return [folder / "t.csv", "--text", "body", "--label", "kind", "--recipe",
            folder / "recipe.yaml", "--folds", "3"]  # fmt: skip


def test_json_holds_every_set_and_a_time_column_means_a_split_by_time(folder):
    said = run(evaluate.main, *common(folder), "--time", "at", "--json")
    told = json.loads(said.stdout)
    assert told["split"] == "time"
    assert [row["features"] for row in told["rows"]] == [
        "raw",
        "reduced",
        "raw + reduced",
    ]


def test_a_choice_prints_a_table_a_reason_and_a_recipe(folder):
    said = run(evaluate.main, *common(folder), "--choose", "--figure", folder / "f.svg").stdout
    assert "| linear | raw |" in said
    assert "chosen:" in said
    assert "trick: join" in said
    assert (folder / "f.svg").exists()


def test_one_entry_alone_is_one_planned_comparison(folder):
    said = run(evaluate.main, *common(folder), "--only", "reduced").stdout
    assert "for all 1 comparisons" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label", "mood"], "no column 'mood'"),
        (["--model", "forest"], "linear, trees, neighbours"),
        (["--split", "time"], "needs timestamps"),
    ],
)
def test_a_mistake_is_said(folder, words, message):
    with pytest.raises(EmbfeastError, match=message):
        run(evaluate.main, *common(folder), *words)


def test_classes_are_grouped_and_named_as_anchors(folder):
    out, anchors = folder / "coarse.csv", folder / "anchors.yaml"
    run(coarse_labels.main, folder / "t.csv", "--label", "kind", "--groups", 3,
        "--out", out, "--anchors", anchors)  # fmt: skip
    with out.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["coarse"] for row in rows} == {"group_0", "group_1", "group_2"}
    assert len({(row["kind"], row["coarse"]) for row in rows}) == len({r["kind"] for r in rows})
    assert set(anchors.read_text().split(": ")) - {""}
    with pytest.raises(EmbfeastError, match="fewer than 99 groups"):
        run(coarse_labels.main, folder / "t.csv", "--label", "kind", "--groups", 99, "--out", out)
