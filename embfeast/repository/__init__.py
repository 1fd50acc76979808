"""What people do with a feature repository: fit, materialize, look up, search, check."""

from typing import TYPE_CHECKING

from embfeast.lazy import attributes

if TYPE_CHECKING:
    from embfeast.repository.check.doctor import examine as examine
    from embfeast.repository.check.verify import verify as verify
    from embfeast.repository.duplicates import duplicate_candidates as duplicate_candidates
    from embfeast.repository.fitting import fit_on_source as fit_on_source
    from embfeast.repository.fitting import fit_repository as fit_repository
    from embfeast.repository.forgetting import forget as forget
    from embfeast.repository.labels import texts_and_labels as texts_and_labels
    from embfeast.repository.materializing import materialize as materialize
    from embfeast.repository.online_lookup import lookup as lookup
    from embfeast.repository.promoting import drop_version as drop_version
    from embfeast.repository.promoting import promote as promote
    from embfeast.repository.repository import Repository as Repository
    from embfeast.repository.similar import similar_texts as similar_texts

# Imported on first use: each brings Feast, which takes seconds. No module here has the name of a
# function, since importing the module would put it in the function's place.
_LAZY = {
    "Repository": "repository",
    "drop_version": "promoting",
    "duplicate_candidates": "duplicates",
    "examine": "check.doctor",
    "fit_on_source": "fitting",
    "fit_repository": "fitting",
    "forget": "forgetting",
    "lookup": "online_lookup",
    "materialize": "materializing",
    "promote": "promoting",
    "similar_texts": "similar",
    "texts_and_labels": "labels",
    "verify": "check.verify",
}
__all__ = [
    "Repository",
    "drop_version",
    "duplicate_candidates",
    "examine",
    "fit_on_source",
    "fit_repository",
    "forget",
    "lookup",
    "materialize",
    "promote",
    "similar_texts",
    "texts_and_labels",
    "verify",
]

__getattr__ = attributes(__name__, _LAZY)
