"""Drift: whether the texts of late are what the recipe was fitted on."""

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embfeast.plugin.monitoring import vectors
from embfeast.report.charts import bars, finished, number, records, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table

TITLE = "Drift"
SHOWN = 16
# In standard deviations: where a mean has moved so far, models notice.
NOTICEABLE = 0.5
STEPS = (-1.0, -0.5, -0.2, 0.2, 0.5, 1.0)
LEAST_TEXTS = 5


def drift(sample: ReportSample) -> Section:
    """Show how each feature's mean moves from period to period."""
    unit, periods = _periods(sample.times)
    names = sorted(set(periods))
    columns = _columns(sample)
    if len(names) < 2 or not columns:
        return Section(
            TITLE, prose=["All sampled texts are of one day, or no feature is a single number: "
                          "there is no drift to look at."],
        )  # fmt: skip
    base = _fitted_rows(sample)
    moved = {name: _moved(values, periods, names, base) for name, values in columns.items()}
    counts = pd.Series(periods).value_counts()
    # A mean of few texts moves by chance.
    sure = np.array([counts[name] >= LEAST_TEXTS for name in names])
    if not sure.any():
        few = f"No {unit} has {LEAST_TEXTS} sampled texts: a mean of fewer moves by chance."
        return Section(TITLE, prose=[few])
    order = sorted(moved, key=lambda n: -np.abs(np.where(sure, moved[n], 0)).max())[:SHOWN]
    worst = order[0]
    at = int(np.abs(np.where(sure, moved[worst], 0)).argmax())
    prose = [
        f"Means by {unit} against the texts the recipe was fitted on, in standard deviations of a "
        f"text. The feature that moves most is {worst}: {moved[worst][at]:+.2f} in {names[at]} "
        f"({counts[names[at]]:,} texts). "
        + (
            f"Above {NOTICEABLE} either way a model notices: look at those texts, and fit again if "
            "they are here to stay."
            if abs(moved[worst][at]) >= max(NOTICEABLE, 2 / np.sqrt(counts[names[at]]))
            else "That is little, or what so few texts do by chance: no reason to fit again."
        ),
        f"By chance alone a mean of n texts moves by about 1/√n: 0.1 for 100 texts. Periods of "
        f"fewer than {LEAST_TEXTS} texts are not counted.",
        *_as_monitored(sample.embedding, _fitted_rows(sample)),
    ]
    parts: list[Figure | Table] = [
        _volume(sample, unit, names, counts),
        _heat(order, names, moved, counts, unit),
    ]
    return Section(TITLE, prose=prose, parts=parts)


def _periods(times: pd.DatetimeIndex) -> tuple[str, NDArray[np.str_]]:
    days = (times.max() - times.min()).days
    unit, code = ("month", "M") if days > 70 else ("week", "W") if days > 14 else ("day", "D")
    starts = times.tz_localize(None).to_period(code).start_time
    return unit, np.asarray(starts.strftime("%Y-%m" if unit == "month" else "%Y-%m-%d"), dtype=str)


def _columns(sample: ReportSample) -> dict[str, NDArray[np.float64]]:
    """Return all features that are single numbers, and how far each text is from the centre."""
    made = {}
    for entry in sample.fitted.entries:
        for place, feature in enumerate(sample.fitted.features(entry)):
            if feature.kind == "float":
                made[feature.name] = sample.outputs[entry][:, place].astype(np.float64)
    centre = sample.embedding[_fitted_rows(sample)].mean(axis=0)
    made["distance to the centre of all texts"] = np.linalg.norm(sample.embedding - centre, axis=1)
    return made


def _fitted_rows(sample: ReportSample) -> NDArray[np.bool_]:
    """Return which texts lie before the cutoff of the fit; all of them where none does."""
    as_of = sample.fitted.record.as_of
    if as_of is None:
        return np.ones(len(sample.texts), dtype=bool)
    before = np.asarray(sample.times < pd.Timestamp(as_of))
    return before if before.any() else np.ones(len(sample.texts), dtype=bool)


def _as_monitored(embedding: NDArray[np.float64], fitted: NDArray[np.bool_]) -> list[str]:
    """Say of the later texts what `feast monitor run` keeps of the embedding."""
    earlier, later = embedding[fitted], embedding[~fitted]
    if min(len(earlier), len(later)) < vectors.FEWEST:
        return []
    told = vectors.drift(earlier, later)
    if told is None:
        return []
    return [
        f"A classifier tells the {len(later):,} texts since the fit from the others with an AUC of "
        f"{told['auc']:.2f} (95 % interval {told['low']:.2f} to {told['high']:.2f}; 0.5 is no "
        f"drift), and they lie {vectors.novelty(earlier, later).mean():.2f} times as far from the "
        "nearest of those as those from one another: of stored rows, 'feast monitor run' keeps "
        "these figures as embedding.drift and embedding.novelty."
    ]


def _moved(
    values: NDArray[np.float64], periods: NDArray[np.str_], names: list[str],
    base: NDArray[np.bool_],
) -> NDArray[np.float64]:  # fmt: skip
    spread = float(values[base].std())
    means = np.array([values[periods == name].mean() for name in names])
    return (means - values[base].mean()) / spread if spread > 1e-9 else np.zeros(len(names))


def _volume(sample: ReportSample, unit: str, names: list[str], counts: "pd.Series[int]") -> Figure:
    chart = bars(
        {"period": names, "texts": [int(counts[name]) for name in names]},
        _periods_axis(unit),
        alt.Y("texts:Q", axis=alt.Axis(tickCount=3)),
        [word("period", unit), number("texts", format=",")],
    )
    return Figure(
        title=f"Sampled texts by {unit}",
        description=f"Bars for {len(names)} periods.",
        spec=finished(chart, 150),
        data=Table(f"Texts by {unit}", [unit, "texts"], [[n, int(counts[n])] for n in names]),
    )


def _periods_axis(unit: str) -> alt.X:
    return alt.X("period:O", title=unit, axis=alt.Axis(labelAngle=-40, labelOverlap=True))


def _heat(
    order: list[str], names: list[str], moved: dict[str, NDArray[np.float64]],
    counts: "pd.Series[int]", unit: str,
) -> Figure:  # fmt: skip
    sure = np.array([counts[name] >= LEAST_TEXTS for name in names])
    data: Any = {
        "feature": np.repeat(order, len(names)),
        "period": np.tile(names, len(order)),
        "moved": np.concatenate([moved[feature] for feature in order]),
        "texts": np.tile([int(counts[name]) for name in names], len(order)),
    }
    shades = [f"var(--d{place})" for place in range(len(STEPS) + 1)]
    color = alt.Color(
        "moved:Q",
        title="standard deviations",
        scale=alt.Scale(type="threshold", domain=STEPS, range=shades),
        legend=None,
    )
    shift = number("moved", "standard deviations", "+.2f")
    chart = alt.Chart(records(pd.DataFrame(data)[np.tile(sure, len(order))])).mark_rect(
        stroke="var(--paper)", strokeWidth=1.5
    )
    chart = chart.encode(
        x=_periods_axis(unit).scale(domain=names),
        y=alt.Y("feature:N", sort=order, title=None),
        color=color,
        tooltip=[word("feature"), word("period", unit), shift, number("texts", format=",")],
    )
    return Figure(
        title=f"How far each feature's mean has moved, by {unit}",
        description=f"Heat map of the {len(order)} features that move most.",
        spec=finished(chart, 70 + 21 * len(order)),
        data=Table(
            "Means against the fitted texts, in standard deviations",
            ["feature", *names],
            [[name, *(_said(v, known) for v, known in zip(moved[name], sure, strict=True))]
             for name in order],
        ),
        caption=f"In standard deviations. Empty: fewer than {LEAST_TEXTS} texts.",
        scale=list(zip(shades, _said_steps(), strict=True)),
    )  # fmt: skip


def _said(moved: float, known: bool) -> str:
    return f"{moved:+.2f}" if known else "—"


def _said_steps() -> list[str]:
    between = [f"{low:+g} to {high:+g}" for low, high in pairwise(STEPS)]
    return [f"below {STEPS[0]:+g}", *between, f"above {STEPS[-1]:+g}"]
