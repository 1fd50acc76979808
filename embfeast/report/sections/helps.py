"""Which tricks help: scores on the label, with intervals."""

from embfeast.evaluation import Evaluation
from embfeast.evaluation.display import measured, other_measures
from embfeast.evaluation.figure import difference_chart, is_stretched
from embfeast.evaluation.sets import RAW
from embfeast.evaluation.splits import folds_in_words
from embfeast.report.charts import OTHERS, finished
from embfeast.report.section import Figure, Section, Table

TITLE = "Which tricks help"
COLORS = (0, OTHERS, 1)  # of the page's palette: helps, no difference, harms


def helps(evaluation: Evaluation | None, label: str, why_not: str = "") -> Section:
    """Show each feature set's difference to raw embeddings."""
    if evaluation is None:
        return Section(TITLE, prose=[why_not])
    raw = evaluation.row(RAW)
    compared = [row for row in evaluation.rows if row.verdict and not row.is_baseline]
    good = [row for row in compared if row.verdict == "helps"]
    bad = [row for row in compared if row.verdict == "harms"]
    prose = [
        f"Predicting {label} of {evaluation.texts:,} texts ({evaluation.left_out:,} left out for "
        f"want of text or label), {folds_in_words(evaluation.folds, evaluation.split)}, everything "
        f"fitted anew inside each fold. Raw embeddings reach {evaluation.measure} {raw.score:.3f}. "
        f"Intervals hold at 95 % for all {evaluation.comparisons} comparisons at once.",
        *(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in evaluation.notes),
    ]
    if good or bad:
        prose.append(
            f"{len(good)} help, {len(bad)} harm, {len(compared) - len(good) - len(bad)} show no "
            "difference beyond their interval. What makes no difference costs space online: "
            "leave it out unless people or other models read it."
        )
    return Section(TITLE, prose=prose, parts=[_figure(evaluation)])


def summary(evaluation: Evaluation) -> str:
    """Return the outcome in one sentence."""
    good = [row for row in evaluation.rows if row.verdict == "helps" and not row.is_baseline]
    if not good:
        return "No feature set is better than raw embeddings beyond its interval."
    best = max(good, key=lambda row: row.difference)
    return (
        f"{best.features!r} helps most: {100 * best.difference:+.1f} points of "
        f"{evaluation.measure} [{100 * best.low:+.1f}, {100 * best.high:+.1f}]."
    )


def _figure(evaluation: Evaluation) -> Figure:
    shown = sorted((row for row in evaluation.rows if row.verdict), key=lambda row: -row.difference)
    chart = difference_chart(shown, evaluation.measure, [f"var(--c{place})" for place in COLORS])
    others = other_measures(evaluation.rows, evaluation.measure)
    rows = [
        [row.features, round(row.score, 4), f"{100 * row.difference:+.2f}",
         f"{100 * row.low:+.2f} to {100 * row.high:+.2f}", row.verdict or "—",
         *[measured(row.measures[name]) for name in others], row.width,
         round(row.milliseconds, 2)]
        for row in evaluation.rows
    ]  # fmt: skip
    return Figure(
        title=f"Difference to raw embeddings on {evaluation.measure}",
        description=summary(evaluation),
        spec=finished(chart, 60 + 24 * len(shown)),
        data=Table(
            "Feature sets compared",
            ["features", evaluation.measure, "difference (points)", "interval", "verdict",
             *others, "numbers", "ms a row"],
            rows,
        ),
        caption="An interval that leaves out zero is a difference; all others are none."
        + (" The axis is stretched around zero." if is_stretched(shown) else ""),
    )  # fmt: skip
