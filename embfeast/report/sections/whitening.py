"""Whitening: how evenly the directions are used, before and after."""

import altair as alt
import numpy as np
from numpy.typing import NDArray

from embfeast.report.charts import finished, histograms, number, records, told_apart, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.tricks.parts.moments import axes_of, moments
from embfeast.tricks.parts.neighbours import overlap
from embfeast.tricks.parts.rowwise import unit_rows

PAIRS = 5_000
NEIGHBOURS = 10


def whitening(sample: ReportSample, entry: str) -> Section:
    """Show cosines between random texts, and the spectrum, before and after."""
    trick = sample.fitted.tricks[entry]
    before, after = sample.input_of(entry), sample.outputs[entry]
    cosines = {"before": _cosines(before, sample.seed), "after": _cosines(after, sample.seed)}
    spectra = {"before": _spectrum(before), "after": _spectrum(after)}
    # Rounded here, so that no "-0.00" is written.
    means = {name: round(float(values.mean()), 2) + 0.0 for name, values in cosines.items()}
    kept = overlap(unit_rows(before), unit_rows(after), NEIGHBOURS)
    needed = {name: _effective(values) for name, values in spectra.items()}
    prose = [
        f"Two texts at random have a cosine of {means['before']:.2f} before and "
        f"{means['after']:.2f} after (standard deviation {cosines['before'].std():.2f} "
        f"and {cosines['after'].std():.2f}). Near 0 on average means that all directions are "
        "used; a mean well above 0 means that all texts share a direction, which whitening "
        "takes out.",
        f"The variance lies in about {needed['before']:.0f} directions before and "
        f"{needed['after']:.0f} after (participation ratio). Of each text's nearest texts, "
        f"{kept:.0%} stay the nearest: the lower this is, the more the features say something "
        f"else than the embedding. Strength {trick.strength}, shrinkage {trick.shrinkage_:.2f}.",
    ]
    return Section(entry, "Whitening", prose, [_histogram(cosines), _spectra(spectra)])


def _cosines(X: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    if len(X) < 2:
        return np.zeros(1)
    rng = np.random.default_rng(seed)
    units = unit_rows(X)
    left = rng.integers(len(X), size=PAIRS)
    right = (left + rng.integers(1, len(X), size=PAIRS)) % len(X)
    return np.asarray((units[left] * units[right]).sum(axis=1))


def _spectrum(X: NDArray[np.float32]) -> NDArray[np.float64]:
    _, values = axes_of(moments(lambda: [X]).covariance)
    usable = values[: max(min(len(X) - 1, len(values)), 1)]
    total = float(usable.sum())
    return usable / total if total > 0 else usable


def _effective(spectrum: NDArray[np.float64]) -> float:
    squares = float(np.square(spectrum).sum())
    return 1 / squares if squares > 0 else 0.0


def _histogram(cosines: dict[str, NDArray[np.float64]]) -> Figure:
    spec, rows = histograms(cosines, "cosine of two random texts")
    return Figure(
        title="Cosine between random texts",
        description=(
            f"Two distributions: before around {cosines['before'].mean():.2f}, after around "
            f"{cosines['after'].mean():.2f}."
        ),
        spec=spec,
        data=Table("Share of pairs by cosine", ["from", "to", "before", "after"], rows),
        half=True,
    )


def _spectra(spectra: dict[str, NDArray[np.float64]]) -> Figure:
    least = 1e-7
    columns: dict[str, list[object]] = {"direction": [], "share": [], "group": []}
    for name, values in spectra.items():
        shown = values[values > least]
        columns["direction"] += list(range(1, len(shown) + 1))
        columns["share"] += shown.tolist()
        columns["group"] += [name] * len(shown)
    order = list(spectra)
    color, dash = told_apart(order)
    x = alt.X("direction:Q", title="direction, strongest first", scale=alt.Scale(nice=False))
    y = alt.Y("share:Q", title="share of the variance", scale=alt.Scale(type="log"))
    line = alt.Chart(records(columns)).mark_line()
    line = line.encode(
        x=x,
        y=y.axis(format="~%", tickCount=4),
        color=color,
        strokeDash=dash,
        tooltip=[word("group"), number("direction", format="d"), number("share", format=".2%")],
    )
    places = [p for p in (1, 2, 4, 8, 16, 32, 64, 128, 256, 384) if p <= len(spectra["before"])]
    rows = [
        [p, *(f"{s[p - 1]:.2%}" if p <= len(s) else "none" for s in spectra.values())]
        for p in places
    ]
    return Figure(
        title="Spectrum: variance by direction",
        description="Falling curves; the flatter one uses its directions more evenly.",
        spec=finished(line, 230),
        data=Table("Share of the variance", ["direction", *order], rows),
        caption="The flatter the curve, the more evenly the directions are used.",
        half=True,
    )
