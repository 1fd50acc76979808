"""The verdict of an evaluation in words: what to use, what it gains, and what it costs."""

from collections.abc import Sequence

from embfeast.evaluation.models import WORDS
from embfeast.evaluation.row import Row
from embfeast.evaluation.sets import RAW


def best_of(rows: Sequence[Row], model: str) -> Row:
    """Return what to use under a model: raw, unless a set beats it beyond its interval."""
    raw = next(row for row in rows if row.features == RAW and row.model == model)
    helping = [
        row
        for row in rows
        if row.verdict == "helps" and row.model == model and not (row.is_baseline or row.is_control)
    ]
    return max(helping, key=lambda row: (row.score, -row.width), default=raw)


def verdict(rows: Sequence[Row], model: str, measure: str) -> str:
    """Say what to use under a model, what it gains over raw and over words, and what it costs."""
    best = best_of(rows, model)
    guess = next((name for name in best.over if name != WORDS), None)
    if guess and best.over[guess].verdict != "helps":
        words = next(row for row in rows if row.features == WORDS)
        if words.over[guess].verdict == "helps":
            return (
                f"Use words: no embedding is better than the {guess} beyond its interval, counted "
                f"words (TF-IDF) are, by {words.over[guess].points} points of {measure}."
            )
        return (
            f"Use none of these: nothing is better than the {guess} beyond its interval "
            f"({best.features}: {best.over[guess].points} points of {measure})."
        )
    said = [f"Use {best.features} ({best.model}): {measure} {best.score:.4f}"]
    if best.features != RAW:
        said.append(f"{best.points} points over raw embeddings")
    if WORDS in best.over:
        unit = " points" if best.features == RAW else ""  # said before, of raw embeddings
        said.append(f"{best.over[WORDS].points}{unit} over counted words (TF-IDF)")
    cost = (
        f"It costs {best.width:,} numbers a row, {best.bytes_online:,} bytes online and "
        f"{best.milliseconds:.2f} ms beside encoding."
    )
    none = " No other set is better beyond its interval." if best.features == RAW else ""
    if WORDS in best.over and best.over[WORDS].verdict != "helps":
        none += " None of this beats counting words beyond its interval."
        if best.over[WORDS].verdict == "harms":
            none = " None of this beats counting words, which are better: use them."
    return f"{', '.join(said)}. {cost}{none}"
