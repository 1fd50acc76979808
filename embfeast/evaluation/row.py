"""One line of an evaluation: a feature set under a model."""

from dataclasses import dataclass, field

from embfeast.evaluation.comparison import Difference
from embfeast.evaluation.models import BASELINES

COLORS = {"helps": "#0072b2", "no difference": "#777777", "harms": "#d55e00"}


@dataclass(frozen=True)
class Row:
    """One feature set under one model.

    Attributes
    ----------
    model : str
    features : str
    score : float
        The evaluation's measure over all scored rows.
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
    measures : dict of float
        Other measures by name; None where one is not defined.
    over : dict of Difference
        To the baselines (majority or mean, words), by name.
    is_control : bool
        Whether it stands here for comparison only.
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
    measures: dict[str, float | None] = field(default_factory=dict)
    over: dict[str, Difference] = field(default_factory=dict)
    is_control: bool = False

    @property
    def is_baseline(self) -> bool:
        """Whether it uses no embedding: the majority or mean, or words."""
        return self.features in BASELINES

    @property
    def points(self) -> str:
        """The difference and its interval in points (hundredths)."""
        if not self.verdict:
            return "—"
        return Difference(self.difference, self.low, self.high).points
