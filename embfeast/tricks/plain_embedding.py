"""No trick at all: what an entry reads, as it is."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embfeast.tricks.proposal import ProposalSample, Proposed
from embfeast.tricks.trick import Trick


class PlainEmbedding(Trick):
    """The vectors that an entry reads, as they are: those of the encoder, where nothing is said."""

    purpose = "the sentence embedding"
    section = None
    baseline = True

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose the yardstick."""
        width = sample.vectors.shape[1]
        return Proposed("embedding", f"The sentence vector itself, {width} numbers: the yardstick.")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing."""
        return self

    def transform(self, X: Any) -> Any:
        """Return what is given."""
        return X

    transform_checked = transform

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of what it reads."""
        return np.asarray(input_features, dtype=object)
