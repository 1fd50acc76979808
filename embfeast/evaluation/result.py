"""What an evaluation found: rows that print as Markdown, save as JSON and draw as a figure."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from embfeast.errors import EmbfeastError

COLORS = {"helps": "#0072b2", "harms": "#d55e00", "no difference": "#777777", "": "#000000"}


@dataclass(frozen=True)
class Row:
    """One feature set under one model.

    Attributes
    ----------
    model : str
    features : str
    score : float
        Accuracy, or R² for numbers, over all scored rows.
    difference, low, high : float
        To raw embeddings under the same model, with its interval.
    verdict : {"helps", "harms", "no difference", ""}
        Empty for raw itself.
    width : int
        Numbers a row.
    bytes_online : int
        Of those numbers as float32, without what a store adds.
    milliseconds : float
        Computing a row's features from its encoded text.
    penalty : float or None
        C of the logistic regression.
    scale : str
        How blocks were scaled.
    """

    model: str
    features: str
    score: float
    difference: float
    low: float
    high: float
    verdict: str
    width: int
    bytes_online: int
    milliseconds: float
    penalty: float | None = None
    scale: str = "unit"


@dataclass(frozen=True)
class Evaluation:
    """Feature sets compared on one label.

    Attributes
    ----------
    rows : list of Row
    measure : {"accuracy", "R²"}
    split : str
    folds, texts, left_out, scored : int
        Folds; texts used; texts without text or label; rows scored.
    comparisons : int
        Sets compared with raw under a model: the intervals hold for all of them at once.
    notes : list of str
    """

    rows: list[Row]
    measure: str
    split: str
    folds: int
    texts: int
    left_out: int
    scored: int
    comparisons: int
    notes: list[str] = field(default_factory=list)

    def row(self, features: str, model: str | None = None) -> Row:
        """Return one feature set's row, under the first model unless told.

        Parameters
        ----------
        features : str
            The feature set's name.
        model : str, optional

        Returns
        -------
        Row

        Raises
        ------
        EmbfeastError
            There is none of that name.
        """
        for row in self.rows:
            if row.features == features and model in (None, row.model):
                return row
        raise EmbfeastError(
            f"no feature set {features!r}; there are {', '.join(r.features for r in self.rows)}"
        )

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def to_markdown(self) -> str:
        """Return a table a person reads; differences in points (hundredths)."""
        lines = [
            f"{self.texts:,} texts ({self.left_out:,} left out for want of text or label), "
            f"{self.folds} folds by {self.split}, {self.scored:,} rows scored. Differences to raw "
            f"embeddings in points of {self.measure}; intervals hold at 95 % for all "
            f"{self.comparisons} comparisons of a model at once.",
            "",
            f"| model | features | {self.measure} | difference to raw | verdict | numbers | "
            "bytes online | ms a row |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [_line(row) for row in self.rows]
        return "\n".join(lines + [""] * bool(self.notes) + [f"- {note}" for note in self.notes])

    def _repr_html_(self) -> str:
        from embfeast.evaluation.display import evaluation_html

        return evaluation_html(self)

    def figure(self, path: str | Path) -> Path:
        """Draw differences with their intervals into a file.

        Parameters
        ----------
        path : str or Path
            PNG or SVG, by its ending.

        Returns
        -------
        Path

        Raises
        ------
        EmbfeastError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise EmbfeastError(
                "a figure needs matplotlib: pip install 'embfeast[report]'"
            ) from error
        shown = [row for row in self.rows if row.verdict]
        drawing = Figure(figsize=(8, 1.2 + 0.28 * max(len(shown), 1)), layout="constrained")
        axes: Any = drawing.add_subplot()
        for place, row in enumerate(reversed(shown)):
            color = COLORS[row.verdict]
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=color, linewidth=2)
            axes.plot([100 * row.difference], [place], "o", color=color, markersize=5)
        axes.axvline(0, color="#000000", linewidth=0.8)
        axes.set_yticks(range(len(shown)), [f"{r.features} ({r.model})" for r in reversed(shown)])
        axes.set_xlabel(f"difference to raw embeddings, points of {self.measure}")
        axes.set_title(f"{self.texts:,} texts, {self.folds} folds by {self.split}")
        drawing.savefig(path, dpi=150)
        return Path(path)


def _line(row: Row) -> str:
    apart = "—"
    if row.verdict:
        low, high = 100 * row.low, 100 * row.high
        apart = f"{100 * row.difference:+.2f} [{low:+.2f}, {high:+.2f}]"
    cells = [
        row.model,
        row.features,
        f"{row.score:.4f}",
        apart,
        row.verdict or "—",
        f"{row.width:,}",
        f"{row.bytes_online:,}",
        f"{row.milliseconds:.2f}",
    ]
    return f"| {' | '.join(cells)} |"
