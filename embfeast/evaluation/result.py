"""What an evaluation found: rows that print as Markdown, save as JSON and draw as a figure."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from embfeast.errors import EmbfeastError
from embfeast.evaluation.display import table_html, table_markdown
from embfeast.evaluation.row import Row
from embfeast.evaluation.splits import folds_in_words


@dataclass(frozen=True)
class Evaluation:
    """Feature sets compared on one label.

    Attributes
    ----------
    rows : list of Row
    measure : {"accuracy", "balanced accuracy", "R²"}
        What sets are ranked by.
    split : str
    folds, texts, left_out, scored : int
        Folds; texts used; texts without text or label; rows scored.
    comparisons : int
        Sets compared with raw under a model: the intervals hold for all of them at once.
    notes : list of str
    task : {"classes", "ordered", "numbers"}
    verdict : str
        What to use, what it gains over raw and over words, and what it costs.
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
    task: str = "classes"
    verdict: str = ""

    def row(self, features: str, model: str | None = None) -> Row:
        """Return one feature set's row.

        Parameters
        ----------
        features : str
            The feature set's name.
        model : str, optional
            The first one by default.

        Returns
        -------
        Row
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
        return table_markdown(self.rows, self.measure, self.verdict, self.conditions, self.notes)

    @property
    def conditions(self) -> str:
        """What was compared on how many texts, and what the intervals mean."""
        return (
            f"{self.texts:,} texts ({self.left_out:,} left out for want of text or label), "
            f"{folds_in_words(self.folds, self.split)}, {self.scored:,} rows scored. Differences "
            f"to raw embeddings in points of {self.measure}; intervals hold at 95 % for all "
            f"{self.comparisons} comparisons of a model at once."
        )

    def _repr_html_(self) -> str:
        return table_html(self.rows, self.measure, self.verdict, self.conditions, self.notes)

    def figure(self, path: str | Path) -> Path:
        """Draw differences with their intervals into a file.

        Parameters
        ----------
        path : str or Path
            PNG or SVG, by its ending.

        Returns
        -------
        Path
        """
        try:
            from embfeast.evaluation.figure import difference_chart
        except ImportError as error:
            raise EmbfeastError("a figure needs altair: pip install 'embfeast[report]'") from error
        shown = sorted((row for row in self.rows if row.verdict), key=lambda row: -row.difference)
        title = f"{self.texts:,} texts, {folds_in_words(self.folds, self.split)}"
        chart = difference_chart(shown, self.measure).properties(title=title, width=500)
        try:
            chart.save(path, scale_factor=2)
        except (OSError, ValueError) as error:
            raise EmbfeastError(
                f"{path} cannot be drawn ({error}); give a file that ends in .png or .svg"
            ) from error
        return Path(path)
