"""One report from a repository: what is read, checked and measured, and in which order shown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
from feast import FeatureStore

from embfeast import __version__
from embfeast.errors import EmbfeastError
from embfeast.evaluation import Evaluation, evaluate
from embfeast.evaluation.sets import single_entries
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe, Recipe
from embfeast.report.overview import overview
from embfeast.report.page import Page, render
from embfeast.report.sample import ReportSample, take_sample
from embfeast.report.section import Section
from embfeast.report.sections.anchors import anchors
from embfeast.report.sections.clusters import clusters
from embfeast.report.sections.columns import columns
from embfeast.report.sections.drift import drift
from embfeast.report.sections.health import health, stored
from embfeast.report.sections.helps import helps
from embfeast.report.sections.history import history
from embfeast.report.sections.map import Method, map_of_texts
from embfeast.report.sections.neighbours import neighbours
from embfeast.report.sections.pairs import pairs
from embfeast.report.sections.pooling import pooling
from embfeast.report.sections.reduction import reduction
from embfeast.report.sections.settings import settings
from embfeast.report.sections.synthesis import synthesis
from embfeast.report.sections.whitening import whitening
from embfeast.report.sections.word_features import word_features
from embfeast.repository.check.finding import Finding
from embfeast.repository.check.verify import verify
from embfeast.repository.labels import own_labels, texts_and_labels
from embfeast.repository.repository import Repository

Told = Callable[[str, float], Any]
# By the name that a trick gives its section.
SECTIONS: dict[str, Callable[[ReportSample, str], Section]] = {
    "anchors": anchors,
    "clusters": clusters,
    "columns": columns,
    "history": history,
    "neighbours": neighbours,
    "pairs": pairs,
    "pooling": pooling,
    "reduction": reduction,
    "synthesis": synthesis,
    "whitening": whitening,
    "word_features": word_features,
}


@dataclass(frozen=True)
class Wanted:
    """What a report is asked to look at.

    `labels` (key columns, ``label`` and perhaps ``known_at``) or `label_column` stand in the place
    of the source's own label. `sample` texts are looked at; `folds` are those of the comparison
    that `evaluate` asks for, `budget` its seconds after encoding; None for no end.
    """

    labels: pd.DataFrame | None = None
    label_column: str | None = None
    sample: int = 2_000
    evaluate: bool = True
    folds: int = 10
    budget: float | None = 300.0
    map: Method = "tsne"
    seed: int = 0


def write_report(
    store: FeatureStore | Repository,
    source: DuckDBSource,
    out: Path,
    wanted: Wanted | None = None,
    *,
    progress: Told | None = None,
) -> Page:
    """Write a report on a repository's fitted recipe and its texts; return what was written.

    The repository's views may lack, or be applied by an older recipe: the report says so.
    `progress` is called with what is being done and the share of it that is done, from 0 to 1.
    """
    wanted = wanted or Wanted()
    report_progress = progress or (lambda what, share: None)
    repository = Repository.of(store)
    repo, fitted = repository.folder, repository.settings.recipe()
    labels, label_name = _labels(source, repo, wanted)
    sample = take_sample(
        fitted, source, repo, labels=labels, label_name=label_name, rows=wanted.sample,
        seed=wanted.seed, progress=lambda share: report_progress("encoding texts", share),
    )  # fmt: skip
    findings, why_not = _verified(repository, report_progress)
    evaluation, why_no_score = _evaluated(fitted, source, repo, wanted, labels, report_progress)
    sections = [helps(evaluation, label_name, why_no_score), map_of_texts(sample, wanted.map)]
    shown = {name: trick.section for name, trick in fitted.tricks.items() if trick.section}
    for done, (name, section) in enumerate(shown.items()):
        report_progress("drawing", done / len(shown))
        sections.append(SECTIONS.get(section, columns)(sample, name))
    tables = [] if why_not else stored(repository)
    sections += [drift(sample), health(findings, tables, why_not), settings(fitted)]
    page = Page(
        title=_title(source),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, embfeast {__version__}",
        cards=overview(sample, findings, why_not, evaluation, why_no_score),
        sections=sections,
        recipe=Recipe(fitted.settings).to_yaml(),
        verdict=evaluation.verdict if evaluation else why_no_score,
    )
    _write(out, render(page))
    report_progress("drawing", 1.0)
    return page


def _title(source: DuckDBSource) -> str:
    """Return what a reader calls the texts: the source's description, else columns and table."""
    if source.description:
        return str(source.description)
    table = source.table or Path(source.database).stem
    said = f"{' and '.join(source.text_columns)} of {table}".replace("_", " ")
    return said[:1].upper() + said[1:]


def _labels(source: DuckDBSource, repo: Path, wanted: Wanted) -> tuple[pd.DataFrame | None, str]:
    if wanted.labels is not None:
        return wanted.labels, "label"
    column = wanted.label_column or source.label_column
    if not column:
        return None, "label"
    with source.open(repo) as texts:
        return own_labels(texts, column, source.label_known_column), column


def _verified(repository: Repository, progress: Told) -> tuple[list[Finding], str]:
    """Return what the check of stored features found, or why there is nothing to check."""
    try:
        return verify(repository, progress=lambda share: progress("verifying", share)), ""
    except EmbfeastError as error:
        return [], error.message


def _evaluated(
    fitted: FittedRecipe,
    source: DuckDBSource,
    repo: Path,
    wanted: Wanted,
    labels: pd.DataFrame | None,
    progress: Told,
) -> tuple[Evaluation | None, str]:
    """Return which tricks help on the labels, or why that is not known."""
    if labels is None:
        return None, (
            "There is no label, so nothing says which features help. Set label_column on the "
            "source, or name one with --label or --labels."
        )
    if not wanted.evaluate:
        return None, "Left out by --no-evaluate."
    if not single_entries(fitted.settings):
        return None, "The recipe has no entry to compare with raw embeddings."
    entity = next(iter(fitted.settings.entity_columns), None)
    rows = texts_and_labels(source, repo, labels, group_column=entity)
    if len(rows) > wanted.sample:
        rows = rows.sample(wanted.sample, random_state=wanted.seed).sort_index()
        rows = rows.reset_index(drop=True)
    try:
        return evaluate(
            cast(Any, rows["text"]), cast(Any, rows["label"]), Recipe(fitted.settings),
            timestamps=rows["time"], folds=wanted.folds, budget=wanted.budget,
            groups=rows.get("group"), entities={entity: rows["group"]} if entity else None,
            encoder=fitted.encoder, seed=wanted.seed,
            progress=lambda share: progress("comparing features on the label", share),
        ), ""  # fmt: skip
    except EmbfeastError as error:
        return None, f"The features could not be compared: {error.message}."


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EmbfeastError(f"{out} cannot be written: {error.strerror}") from error
