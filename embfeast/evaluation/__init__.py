"""Does it help? Feature sets compared on a user's own labels, with intervals."""

from embfeast.evaluation.choose import Choice, choose
from embfeast.evaluation.evaluate import evaluate
from embfeast.evaluation.result import Evaluation
from embfeast.evaluation.row import Row

__all__ = ["Choice", "Evaluation", "Row", "choose", "evaluate"]
