"""Any table: what the report says where something is missing."""

import numpy as np
import pandas as pd
import pytest

from embfeast import EmbfeastError
from embfeast.commands.console import open_repository
from embfeast.plugin.monitoring import vectors
from embfeast.report import Wanted, write_report
from embfeast.report.section import Figure
from embfeast.report.sections.drift import _as_monitored, _heat
from embfeast.repository.sources import text_source
from tests.report.conftest import messages
from tests.report.repositories import EVERY_TRICK, make_repository


def written(repo, tmp_path, **wanted):
    return write_report(
        open_repository(repo), text_source(repo), tmp_path / "out" / "report.html", Wanted(**wanted)
    )


def section(page, title):
    return next(one for one in page.sections if one.title == title)


def card(page, name):
    return next(one for one in page.cards if one.name == name)


@pytest.mark.slow
def test_twenty_texts_without_label_or_views_make_a_report(tmp_path, encoder):
    repo = make_repository(tmp_path / "repo", messages(20), EVERY_TRICK, encoder=encoder)
    page = written(repo, tmp_path)
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    assert "There is no label" in section(page, "Which tricks help").prose[0]
    assert "There is no label" in card(page, "What helps").detail
    assert "no classes" in section(page, "pair").prose[0]
    assert "feast apply" in section(page, "Stored features").prose[0]
    assert card(page, "Parity").value == "not checked"
    assert card(page, "Texts").value == "20"
    assert "1 missing" in card(page, "Texts").detail


@pytest.mark.slow
def test_only_the_tricks_of_the_recipe_have_a_section(tmp_path, encoder):
    tricks = {"embedding": {"trick": "embedding"}, "w": {"trick": "whitener"}}
    repo = make_repository(tmp_path / "repo", messages(20), tricks, encoder=encoder)
    page = written(repo, tmp_path)
    assert [one.title for one in page.sections if one.about] == ["w"]


@pytest.mark.slow
def test_seventy_seven_labels_share_a_legend_of_twenty_one(tmp_path, encoder):
    given = messages(231)
    given["topic"] = [f"label {i % 77}" for i in range(231)]
    tricks = {"embedding": {"trick": "embedding"}}
    repo = make_repository(tmp_path / "repo", given, tricks, label="topic", encoder=encoder)
    page = written(repo, tmp_path, evaluate=False)
    figure = section(page, "Map of the texts").parts[0]
    assert isinstance(figure, Figure)
    legend = figure.legends["topic"]
    assert len(legend) == 21
    assert legend[-1].name == "57 others"
    assert sum(group.count for group in legend) == 230
    told_apart = {(group.color, group.shape) for group in legend}
    assert len(told_apart) == 21
    assert len({group.color for group in legend[:14]}) == 14


@pytest.mark.slow
def test_numbers_as_label_are_shown_in_bands(tmp_path, encoder):
    given = messages(30)
    given["topic"] = [i + 0.5 for i in range(30)]
    tricks = {"products": {"trick": "feature_synthesizer", "n_components": 2}}
    repo = make_repository(tmp_path / "repo", given, tricks, label="topic", encoder=encoder)
    page = written(repo, tmp_path, evaluate=False)
    figure = section(page, "Map of the texts").parts[0]
    assert isinstance(figure, Figure)
    assert figure.legends["topic"][0].name == "lowest fifth"
    assert "mutual information with topic" in section(page, "products").prose[0]


@pytest.mark.slow
def test_labels_of_a_file_are_joined_by_key(tmp_path, encoder):
    given = messages(24)
    tricks = {"embedding": {"trick": "embedding"}}
    repo = make_repository(tmp_path / "repo", given.drop(columns="topic"), tricks, encoder=encoder)
    labels = pd.DataFrame({"message_id": ["3", "4"], "label": ["x", "y"]})
    page = written(repo, tmp_path, labels=labels, evaluate=False)
    figure = section(page, "Map of the texts").parts[0]
    assert isinstance(figure, Figure)
    counts = {group.name: group.count for group in figure.legends["label"]}
    assert counts == {"no label": 21, "x": 1, "y": 1}


@pytest.mark.slow
def test_a_source_without_any_text_is_said(tmp_path, encoder):
    repo = make_repository(
        tmp_path / "repo", messages(12), {"w": {"trick": "whitener"}}, encoder=encoder
    )
    import duckdb

    with duckdb.connect(str(repo / "data" / "messages.duckdb")) as connection:
        connection.execute("UPDATE messages SET text = ' '")
    with pytest.raises(EmbfeastError, match="has no text"):
        written(repo, tmp_path)


def test_drift_is_told_by_the_figures_of_the_monitoring(rng):
    embedding = rng.normal(size=(200, 8))
    embedding[120:] += 1.5
    fitted = np.arange(200) < 120
    told = vectors.drift(embedding[:120], embedding[120:])
    (said,) = _as_monitored(embedding, fitted)
    assert told["low"] > 0.8
    assert f"80 texts since the fit from the others with an AUC of {told['auc']:.2f}" in said
    assert _as_monitored(embedding, np.ones(200, dtype=bool)) == []


def test_a_mean_of_under_five_texts_is_not_coloured():
    names = ["2026-01-01", "2026-01-02"]
    figure = _heat(
        ["norm"],
        names,
        {"norm": np.array([2.0, 0.3])},
        pd.Series({names[0]: 4, names[1]: 5}),
        "day",
    )
    (drawn,) = figure.spec["datasets"].values()
    assert [row["period"] for row in drawn] == [names[1]]
    assert figure.data.rows == [["norm", "—", "+0.30"]]
    assert figure.scale[0] == ("var(--d0)", "below -1")


@pytest.mark.slow
def test_a_history_is_of_all_that_was_written_and_shows_the_path_of_one(tmp_path, encoder):
    given = messages(40)
    given["customer"] = [f"<b>{i % 4}</b>" if i % 7 else None for i in range(40)]
    tricks = {
        "history": {
            "trick": "entity_history",
            "entity": "customer",
            "windows": [None],
            "outputs": ["count", "similarity"],
        }
    }
    repo = make_repository(tmp_path / "repo", given, tricks, label="topic", encoder=encoder)
    page = written(repo, tmp_path, sample=30, folds=2)
    shown = section(page, "history")
    assert "who wrote them, by 'customer'" in shown.prose[0]
    path = shown.parts[0]
    assert isinstance(path, Figure)
    counts = [np.expm1(row[2]).round() for row in path.data.rows]
    assert counts == sorted(counts)
    assert counts[-1] >= len(counts), "what lies outside the sample counts too"
    assert section(page, "Which tricks help").parts
    assert "<b>0</b>" not in (tmp_path / "out" / "report.html").read_text()
