"""Trick 8: what became of similar texts."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from embfeast.tricks.parts.graph_search import GraphSearch, build
from embfeast.tricks.parts.nearest import Found, nearest, of_other_folds, repeats, unit
from embfeast.tricks.parts.neighbour_labels import LabelBank, as_series, learn_labels, loss_by_count
from embfeast.tricks.parts.occasions import (
    Moments,
    Owners,
    later,
    microseconds,
    moments_given,
    one_a_key,
    owners_of,
)
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_choice, check_number, chosen

Target = Literal["auto", "classes", "number"]
Weights = Literal["uniform", "similarity"]
Output = Literal["labels", "similarity", "novelty"]
Kept = Literal["sample", "recent"]
Search = Literal["exact", "approximate"]
OUTPUTS: tuple[Output, ...] = ("labels", "similarity", "novelty")
# Numbers of neighbours that "cv" tries, and rows that it tries them on.
TRIED = (3, 5, 10, 15, 25, 50)
TRIED_ROWS = 2_000
FOLDS = 5
Places = NDArray[np.int64]
LEAST_RECALL = 0.95  # of an approximate search: less is warned of
OF_GRAPH = ("graph_", "recall_", "recall_curve_", "served_from_", "_graph")


class LabelledNeighbours(VectorTrick):
    """The labels of the most similar texts, of those that were known before.

    Parameters
    ----------
    n_neighbors : int or "cv", default 15
        "cv" takes the number under which the rows of the fit are predicted best.
    target : {"auto", "classes", "number"}, default "auto"
        Give the share of each label, or mean, spread and quantiles of a number. Auto: numbers with
        a fraction are numbers.
    weights : {"uniform", "similarity"}, default "uniform"
        Whether each neighbour counts the same, or by its cosine.
    outputs : sequence of {"labels", "similarity", "novelty"}
        The labels; the mean cosine of the neighbours; the cosine distance to the nearest. All by
        default.
    rare : int, default 5
        Labels of fewer texts share one column.
    quantiles : sequence of float, default (0.1, 0.5, 0.9)
        Of a number.
    lag_days : float, default 0
        A label counts so many days after its text at the earliest.
    max_labels : int, default 100000
        Of more labelled texts so many are kept.
    keep : {"sample", "recent"}, default "sample"
        Which: a draw, or the labels known last.
    search : {"exact", "approximate"}, default "exact"
        Approximate: rows that are served find most of their neighbours, by a graph. It needs the
        extra ``embfeast[faiss]``.
    random_state : int, default 0
        Seed of that draw, and of the rows by which an approximate search is measured.

    Attributes
    ----------
    bank_ : ndarray of shape (labelled, dim), float32
        Unit vectors of the labelled texts, in the order in which their labels were known.
    known_ : ndarray of shape (labelled,), int64
        When each label counts, in microseconds since 1970.
    owners_ : ndarray of shape (labelled,), uint64
        Whose label each is, as a digest of its key.
    values_ : ndarray of shape (labelled,), float64
        Numbers, or places among `labels_`; one place more for the rare.
    labels_ : list of str
        Labels with a column of their own; empty for a number.
    is_number_ : bool
    has_rare_ : bool
    k_ : int
    curve_ : dict of list
        For "cv": the numbers tried (``k``) and their log-loss, or squared error (``loss``).
    graph_ : ndarray of uint8
        For an approximate search: an HNSW graph [3]_ of the bank, as faiss writes it.
    recall_, recall_curve_ : float, dict of list
        The share of the exact neighbours that it finds (``recall``), when it looks at so many rows
        (``width``).
    served_from_ : int
        From when on rows take it, in microseconds since 1970.

    See Also
    --------
    AnchorSimilarity : Closeness to named concepts, without labels.

    Notes
    -----
    The share of label c is Σ wᵢ·[yᵢ = c] / Σ wᵢ over the k nearest by cosine; of equal cosines the
    label known first counts as nearer. A text's neighbours are found exactly: products in float32
    rule out what is further than their error, products in float64 decide. So a row has the same
    bits alone and in any batch.

    A label counts from the later of its own time and its text's plus `lag_days`. With `times`, a
    row sees the labels that counted before its time; a label that counts later changes no bit of it
    (but which labels have columns, and with "cv" k, are decided once for all rows). A row never
    sees its own key's label. With `keys` but no `times`, each fifth of the labelled keys sees the
    labels of the other four, as scikit-learn's `TargetEncoder` has it; with neither, a row sees the
    whole bank, as a new text does. A row that sees no label gives 0 for labels and similarity, and
    1 for novelty; one that sees fewer than k takes those. Of equal vectors the k + 1 labels known
    first are kept. A draw from more than `max_labels` is another one when labels are added.

    An approximate search is for rows that are served, which see the whole bank: those without times
    and keys, and those of `as_of` or later. All others are searched exactly, in order of time;
    without `as_of` so are all with times. Cosines are exact. The recall is that of up to 1,000
    labelled rows before they are put into the graph; the search is widened until it is 0.99.

    References
    ----------
    .. [1] Cover, T. and Hart, P., "Nearest neighbor pattern classification", IEEE Trans.
       Information Theory 13, 1967.
    .. [2] Micci-Barreca, D., "A preprocessing scheme for high-cardinality categorical attributes",
       SIGKDD Explorations 3, 2001.
    .. [3] Malkov, Y. and Yashunin, D., "Efficient and robust approximate nearest neighbor search
       using hierarchical navigable small world graphs", IEEE Trans. PAMI 42, 2020.

    Examples
    --------
    >>> X = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    >>> days = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    >>> trick = LabelledNeighbours(1, rare=1, outputs=("labels",))
    >>> trick.fit_transform(X, ["late", "late", "broken", "late"], times=days).tolist()
    [[0.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    >>> trick.get_feature_names_out().tolist()
    ['neighbour_share_broken', 'neighbour_share_late']
    """

    purpose = "the labels of the most similar texts known before"
    scalars = True
    section = "neighbours"
    needs_occasions = True

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose it where there is a label."""
        if not sample.label:
            sample.left_out.append("labelled_neighbours: no label is named")
            return None
        later = "0: labels known with their text; say how many days later yours are known"
        return Proposed(
            "neighbours",
            f"What {sample.label} the most similar earlier texts had: for trees above all.",
            [
                Setting("n_neighbors", 15, "the usual; cv chooses by the labels"),
                Setting("lag_days", 0, later),
            ],
        )

    def __init__(
        self,
        n_neighbors: int | Literal["cv"] = 15,
        *,
        target: Target = "auto",
        weights: Weights = "uniform",
        outputs: tuple[Output, ...] = OUTPUTS,
        rare: int = 5,
        quantiles: tuple[float, ...] = (0.1, 0.5, 0.9),
        lag_days: float = 0.0,
        max_labels: int = 100_000,
        keep: Kept = "sample",
        search: Search = "exact",
        random_state: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.target = target
        self.weights = weights
        self.outputs = outputs
        self.rare = rare
        self.quantiles = quantiles
        self.lag_days = lag_days
        self.max_labels = max_labels
        self.keep = keep
        self.search = search
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        times: Any = None,
        known: Any = None,
        keys: Any = None,
        as_of: Any = None,
    ) -> Self:
        """Keep the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        y : array-like of shape (n,)
            Labels; a missing one is None or NaN.
        times : sequence of datetime, length n, optional
            When each row happened. Naive ones are taken as UTC.
        known : sequence of datetime, length n, optional
            When each label was known; by default when its row happened.
        keys : sequence or pyarrow.Table of length n, optional
            Whose row each is. A key's label stands once in the bank: the one that counts first,
            at the newest row under which it does. By default each row is its own.
        as_of : datetime, optional
            Labels that count from then on are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no label, or none that counts before `as_of`.
        """
        self._check_settings()
        X = self._validated(X, reset=True)
        if y is None:
            raise ValueError(
                "LabelledNeighbours requires y to be passed, but the target y is None: give labels"
            )
        labels = as_series(y, len(X))
        happened = moments_given(times, len(X), "times")
        owners = np.arange(len(X), dtype=np.uint64) if keys is None else owners_of(keys, len(X))
        counts = np.maximum(moments_given(known, len(X), "known"), later(happened, self.lag_days))
        end = None if as_of is None else microseconds([as_of], 1, "as_of")[0]
        rows = one_a_key(counts, happened, owners, np.flatnonzero(labels.notna()))
        if end is not None:
            rows = rows[counts[rows] < end]
        if not len(rows):
            raise ValueError(
                f"LabelledNeighbours: none of {len(X):,} rows has a label"
                + ("" if end is None else f" that counts before {as_of}")
                + "; give labels, a later as_of, or fewer lag_days"
            )
        rows = rows[np.lexsort((owners[rows], counts[rows]))]
        learned = learn_labels(labels.iloc[rows], self.target, int(self.rare))
        vectors = unit(X[rows])
        most = max(TRIED) if self.n_neighbors == "cv" else int(self.n_neighbors)
        kept = self._kept(np.flatnonzero(repeats(vectors) <= most))
        rows, self.bank_ = rows[kept], vectors[kept]
        self.known_, self.owners_ = counts[rows], owners[rows]
        self.values_, self.labels_ = learned.values[kept], learned.labels
        self.is_number_, self.has_rare_ = learned.is_number, learned.has_rare
        self.curve_: dict[str, list[float]] = {}
        self.k_ = most
        for name in OF_GRAPH:
            self.__dict__.pop(name, None)
        if self.n_neighbors == "cv":
            self._choose(None if times is None else happened[rows])
        if self.search == "approximate":
            self._build_graph(int(np.iinfo(np.int64).max if end is None else end))
        return self

    def fit_transform(
        self, X: Any, y: Any = None, *, times: Any = None, known: Any = None, keys: Any = None
    ) -> Vectors:
        """Fit, and give each row what was known before it, never its own label.

        Parameters
        ----------
        X, y, times, known, keys
            As in `fit`. Without `times`, what labels of other folds say.

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        self.fit(X, y, times=times, known=known, keys=keys)
        X = self._validated(X, reset=False)
        owners = np.arange(len(X), dtype=np.uint64) if keys is None else owners_of(keys, len(X))
        moments = None if times is None else microseconds(times, len(X), "times")
        return self.transform_checked(X, moments, owners)

    def transform(self, X: Any, *, times: Any = None, keys: Any = None) -> Vectors:
        """Return what the labels of similar texts say.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        times : sequence of datetime, length n, optional
            When each row happened: it sees the labels that counted before. By default the whole
            bank is seen.
        keys : sequence or pyarrow.Table of length n, optional
            Whose row each is: it does not see its own label.

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        moments = None if times is None else microseconds(times, len(X), "times")
        owners = None if keys is None else owners_of(keys, len(X))
        return self.transform_checked(X, moments, owners)

    def transform_checked(
        self, X: Vectors, times: Moments | None = None, owners: Owners | None = None
    ) -> Vectors:
        """Do the same without checks, of moments and owners as numbers."""
        made = self._bank().features(
            *self._neighbours(unit(X), times, owners),
            weighted=self.weights == "similarity",
            outputs=chosen(self, "outputs", OUTPUTS),
            quantiles=self.quantiles,
        )
        return np.ascontiguousarray(made, dtype=np.float32)

    def neighbours(self, X: Any, *, times: Any = None, keys: Any = None) -> Found:
        """Return the places in the bank, and the cosines, of the neighbours that `transform` reads.

        Parameters
        ----------
        X, times, keys
            As in `transform`.

        Returns
        -------
        places : ndarray of shape (n, k), int64
            -1 where a row sees no more.
        cosines : ndarray of shape (n, k), float64
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        moments = None if times is None else microseconds(times, len(X), "times")
        owners = None if keys is None else owners_of(keys, len(X))
        return self._neighbours(unit(X), moments, owners)

    def label_of(self, places: Sequence[int]) -> list[str]:
        """Return the labels at places of the bank in words."""
        return self._bank().said(places)

    @property
    def remark(self) -> str:
        """What an approximate search finds."""
        if "recall_" not in vars(self):
            return ""
        return f"the approximate search finds {self.recall_:.1%} of the nearest labels"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _check_settings(self) -> None:
        check_choice(self, "target", ("auto", "classes", "number"))
        check_choice(self, "weights", ("uniform", "similarity"))
        check_choice(self, "keep", ("sample", "recent"))
        check_choice(self, "search", ("exact", "approximate"))
        chosen(self, "outputs", OUTPUTS)
        check_number(self, "rare", 1)
        check_number(self, "lag_days", 0)
        check_number(self, "max_labels", 1)
        if not all(0 <= one <= 1 for one in self.quantiles):
            raise ValueError(
                f"LabelledNeighbours: quantiles={self.quantiles!r} lie between 0 and 1"
            )
        if isinstance(self.n_neighbors, str):
            check_choice(self, "n_neighbors", ("a number", "cv"))
        else:
            check_number(self, "n_neighbors", 1)

    def _bank(self) -> LabelBank:
        return LabelBank(self.values_, self.labels_, self.is_number_, self.has_rare_)

    def _kept(self, places: Places) -> Places:
        """Return at most `max_labels` of the places, rising."""
        most = int(self.max_labels)
        if len(places) <= most:
            return places
        if self.keep == "recent":
            return places[-most:]
        rng = np.random.default_rng(self.random_state)
        return np.sort(rng.choice(places, size=most, replace=False))

    def _choose(self, happened: Moments | None) -> None:
        """Find the number of neighbours that predicts the labels known last best."""
        rows = np.arange(len(self.bank_))[-TRIED_ROWS:]
        times = None if happened is None else happened[rows]
        if times is None:
            places, _ = self._of_other_folds(self.bank_[rows], rows)
        else:
            places, _ = self._exact(self.bank_[rows], times, rows)
        tried = [k for k in TRIED if k < len(self.bank_)] or [1]
        losses = loss_by_count(self._bank(), rows, places, tried)
        self.curve_ = {"k": [float(k) for k in tried], "loss": losses}
        self.k_ = tried[int(np.argmin(losses))]

    def _build_graph(self, served_from: int) -> None:
        self.graph_, self.recall_curve_ = build(self.bank_, self.k_, self.random_state)
        self.recall_, self.served_from_ = self.recall_curve_["recall"][-1], served_from
        if self.recall_ < LEAST_RECALL:
            advice = f"LabelledNeighbours: {self.remark}; take search='exact'"
            warnings.warn(advice, stacklevel=3)

    @cached_property
    def _graph(self) -> GraphSearch:
        return GraphSearch(self.bank_, self.graph_)

    def _neighbours(self, X: Vectors, times: Moments | None, owners: Owners | None) -> Found:
        own = np.full(len(X), -1) if owners is None else self._places_of(owners)
        if owners is not None and times is None:
            return self._of_other_folds(X, own)
        if self.search == "exact":
            return self._exact(X, times, own)
        if times is None:
            return self._graph.nearest(X, self.k_, own)
        served = times >= self.served_from_
        found = self._graph.nearest(X[served], self.k_, own[served])
        exact = self._exact(X[~served], times[~served], own[~served])
        places, cosines = (np.concatenate(both) for both in zip(found, exact, strict=True))
        order = np.argsort(np.argsort(~served, kind="stable"), kind="stable")
        return places[order], cosines[order]

    def _exact(self, X: Vectors, times: Moments | None, own: Places) -> Found:
        """Let each row see what counted before its time, but for the label at its own place."""
        limits = None if times is None else np.searchsorted(self.known_, times, side="left")
        rows = np.flatnonzero(own >= 0)
        return nearest(X, self.bank_, self.k_, limits, np.stack([rows, own[rows]], axis=1))

    def _places_of(self, owners: Owners) -> Places:
        """Return the place of each owner's label in the bank; -1 where it has none."""
        order = np.argsort(self.owners_, kind="stable")
        ordered = self.owners_[order]
        at = np.minimum(np.searchsorted(ordered, owners), len(ordered) - 1)
        return np.where(ordered[at] == owners, order[at], -1)

    def _of_other_folds(self, X: Vectors, own: Places) -> Found:
        """Let the rows of each fold's keys see the labels of the other folds."""
        # Keys' digests are even already; places of rows are made so.
        mixed = (self.owners_ * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
        return of_other_folds(X, self.bank_, self.k_, (mixed % FOLDS).astype(np.int64), own)

    def _names(self) -> list[str]:
        return self._bank().names(chosen(self, "outputs", OUTPUTS), self.quantiles)
