"""One report from a repository: what is read, checked and measured, and in which order shown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from feast import FeatureStore

from embfeast import __version__
from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.errors import EmbfeastError
from embfeast.evaluation import Evaluation, evaluate
from embfeast.evaluation.sets import single_entries
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.labelled import own_labels, texts_and_labels
from embfeast.plugin.source import DuckDBSource
from embfeast.plugin.verify import Finding, verify
from embfeast.recipe import FittedRecipe, Recipe
from embfeast.recipe.versions import load_current
from embfeast.report.anchors import anchors
from embfeast.report.clusters import clusters
from embfeast.report.drift import drift
from embfeast.report.health import health, stored
from embfeast.report.helps import helps
from embfeast.report.map import Method, map_of_texts
from embfeast.report.overview import overview
from embfeast.report.page import Page, render
from embfeast.report.pairs import pairs
from embfeast.report.pooling import pooling
from embfeast.report.reduction import reduction
from embfeast.report.sample import Sample, take_sample
from embfeast.report.section import Section
from embfeast.report.settings import settings
from embfeast.report.synthesis import synthesis
from embfeast.report.whitening import whitening

Told = Callable[[str, float], Any]
SECTIONS: dict[str, Callable[[Sample, str], Section]] = {
    "anchor_similarity": anchors,
    "embedding_reducer": reduction,
    "cluster_features": clusters,
    "pair_interaction": pairs,
    "whitener": whitening,
    "token_pooler": pooling,
    "feature_synthesizer": synthesis,
}


@dataclass(frozen=True)
class Wanted:
    """What a report is asked to look at.

    Attributes
    ----------
    labels : DataFrame or None
        Key columns, ``label`` and, where it is known, ``known_at``; None for the table's own.
    label_column : str or None
        Of the table, in the place of the source's own.
    sample : int
        Texts looked at.
    evaluate : bool
        Whether to measure which tricks help.
    folds : int
        Of that comparison.
    map : {"tsne", "umap"}
    seed : int
    """

    labels: pd.DataFrame | None = None
    label_column: str | None = None
    sample: int = 2_000
    evaluate: bool = True
    folds: int = 10
    map: Method = "tsne"
    seed: int = 0


def write_report(
    store: FeatureStore,
    source: DuckDBSource,
    out: Path,
    wanted: Wanted | None = None,
    *,
    progress: Told | None = None,
) -> Page:
    """Write a report on a repository's fitted recipe and its texts.

    Parameters
    ----------
    store : FeatureStore
        Its views may lack, or be applied by an older recipe: the report says so.
    source : DuckDBSource
    out : Path
        The HTML file.
    wanted : Wanted, optional
    progress : callable, optional
        Called with what is being done and the share of it that is done, from 0 to 1.

    Returns
    -------
    Page
        What was written.

    Raises
    ------
    EmbfeastError
        No recipe is fitted, the source has no text, labels do not fit, or the file cannot be
        written.
    """
    wanted = wanted or Wanted()
    told = progress or (lambda what, share: None)
    repo = Path(store.config.repo_path or ".")
    fitted = _fitted(store)
    labels, label_name = _labels(source, repo, wanted)
    sample = take_sample(
        fitted, source, repo, labels=labels, label_name=label_name, rows=wanted.sample,
        seed=wanted.seed, progress=lambda share: told("encoding texts", share),
    )  # fmt: skip
    findings, why_not = _verified(store, told)
    found, why_no_score = _evaluated(fitted, source, repo, wanted, labels, told)
    sections = [helps(found, label_name, why_no_score), map_of_texts(sample, wanted.map)]
    entries = [(n, e) for n, e in fitted.settings.tricks.items() if e.trick in SECTIONS]
    for done, (name, entry) in enumerate(entries):
        told("drawing", done / len(entries))
        sections.append(SECTIONS[entry.trick](sample, name))
    tables = [] if why_not else stored(store)
    sections += [drift(sample), health(findings, tables, why_not), settings(fitted)]
    page = Page(
        title=source.name,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, embfeast {__version__}",
        cards=overview(sample, findings, why_not, found),
        sections=sections,
        recipe=Recipe(fitted.settings).to_yaml(),
    )
    _write(out, render(page))
    told("drawing", 1.0)
    return page


def _fitted(store: FeatureStore) -> FittedRecipe:
    config = engine_config(store.config)
    fitted = load_current(in_repo(store.config, config.recipes))
    cache = EmbeddingCache(in_repo(store.config, config.cache)) if config.cache else None
    fitted.encoder = Encoder(fitted.settings.model, cache=cache)
    return fitted


def _labels(source: DuckDBSource, repo: Path, wanted: Wanted) -> tuple[pd.DataFrame | None, str]:
    if wanted.labels is not None:
        return wanted.labels, "label"
    column = wanted.label_column or source.label_column
    return (own_labels(source, repo, column), column) if column else (None, "label")


def _verified(store: FeatureStore, told: Told) -> tuple[list[Finding], str]:
    """Return what the check of stored features found, or why there is nothing to check."""
    try:
        return verify(store, progress=lambda share: told("verifying", share)), ""
    except EmbfeastError as error:
        return [], error.message


def _evaluated(
    fitted: FittedRecipe,
    source: DuckDBSource,
    repo: Path,
    wanted: Wanted,
    labels: pd.DataFrame | None,
    told: Told,
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
    rows = texts_and_labels(source, repo, labels)
    if len(rows) > wanted.sample:
        rows = rows.sample(wanted.sample, random_state=wanted.seed).sort_index()
    try:
        return evaluate(
            rows["text"], rows["label"], Recipe(fitted.settings),
            timestamps=rows["time"], folds=wanted.folds, encoder=fitted.encoder, seed=wanted.seed,
            progress=lambda share: told("comparing features on the label", share),
        ), ""  # fmt: skip
    except EmbfeastError as error:
        return None, f"The features could not be compared: {error.message}."


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EmbfeastError(f"{out} cannot be written: {error.strerror}") from error
