"""Trick 9: what the same customer, or other entity, wrote before."""

import itertools
from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from embfeast.tricks.parts.entity_states import EntityStates
from embfeast.tricks.parts.occasions import (
    UNKNOWN,
    Moments,
    Owners,
    entity_numbers,
    microseconds,
    owners_of,
)
from embfeast.tricks.parts.past import DAY, Past, Seen, on_grid
from embfeast.tricks.parts.rowwise import unit_rows
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import Vectors, VectorTrick, check_number, chosen

Output = Literal["count", "days", "similarity", "change", "spread", "means"]
OUTPUTS: tuple[Output, ...] = ("count", "days", "similarity", "change", "spread", "means")
NEVER = int(np.iinfo(np.int64).max)
Rows = NDArray[np.int64]


class EntityHistory(VectorTrick):
    """What an entity wrote strictly before each of its texts, and how this text compares with it.

    Parameters
    ----------
    entity : str, default "entity"
        In a recipe, the column that says whose text it is: the customer, not the text's own key.
    windows : sequence of float or None, default (7, 30, 90, None)
        Days before the text; None is the whole past.
    half_life : float, default 30
        Days after which a text counts half, in the decayed mean.
    last : int, default 5
        Texts in the mean of the last ones; of equal times all are taken.
    outputs : sequence of {"count", "days", "similarity", "change", "spread", "means"}
        Texts in each window, as ln(1 + n); days since the last text, as ln(1 + d); cosine to the
        mean of the last texts, to the decayed mean, and to each window's; 1 - cosine to the last
        text; how far the past's texts lie apart; and those means themselves. All by default.

    See Also
    --------
    LabelledNeighbours : What became of similar texts, whoever wrote them.

    Notes
    -----
    With unit vectors u of the texts of the entity before time t, a mean is Σ w·u / Σ w: w is 1
    inside a window from t − days (included) to t (not included), and 2^(−age / half_life) in the
    decayed mean. The spread is 1 − ‖mean of all‖², the mean squared distance to that mean. Without
    a text there, counts, similarities, means and spread are 0, the change is 1, and days are −1.

    Nothing is fitted: rows are told of one another, in `fit_transform` and `transform` alike, and
    a row's bits depend on its own vector and its entity's texts before it alone: not on the order
    of rows, nor on later ones. With `keys` a text that was revised counts once, by its newest
    revision before the row, and a text is no part of its own past.

    Examples
    --------
    >>> X = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    >>> days = ["2026-01-01", "2026-01-03", "2026-01-04"]
    >>> trick = EntityHistory(windows=(2, None), outputs=("similarity",))
    >>> trick.fit_transform(X, entities=["ann"] * 3, times=days)[2].round(2)
    array([0.71, 0.69, 0.  , 0.71], dtype=float32)
    >>> trick.get_feature_names_out().tolist()  # doctest: +NORMALIZE_WHITESPACE
    ['history_similarity_last_5', 'history_similarity_decayed',
     'history_similarity_2d', 'history_similarity']
    """

    purpose = "what the same entity wrote before"
    scalars = True
    section = "history"
    needs_occasions = True
    needs_entity = True

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose it where a column says who wrote several of the texts."""
        if sample.entity is None:
            return None
        column, why = sample.entity
        read = [Setting("input", "reduced")] if "reduced" in sample.proposed else []
        return Proposed(
            "history",
            f"What the same {column} wrote before each text, and how this one compares with it: "
            "for labels that depend on who writes.",
            [
                Setting("entity", column, why),
                *read,
                Setting(
                    "outputs", [one for one in OUTPUTS if one != "means"], "numbers with names"
                ),
            ],
        )

    def __init__(
        self,
        entity: str = "entity",
        *,
        windows: tuple[float | None, ...] = (7, 30, 90, None),
        half_life: float = 30.0,
        last: int = 5,
        outputs: tuple[Output, ...] = OUTPUTS,
    ) -> None:
        self.entity = entity
        self.windows = windows
        self.half_life = half_life
        self.last = last
        self.outputs = outputs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check settings and learn the width of vectors, which is all there is to learn.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        y : ignored

        Returns
        -------
        self
        """
        check_number(self, "half_life", 1e-6)
        check_number(self, "last", 1)
        chosen(self, "outputs", OUTPUTS)
        if not _days(self.windows) and len(self.windows) != 1:
            raise ValueError(f"EntityHistory: windows={self.windows!r} has nothing; give (None,)")
        if any(days <= 0 for days in _days(self.windows)) or len(set(self.windows)) < len(
            self.windows
        ):
            raise ValueError(
                f"EntityHistory: windows={self.windows!r} are different numbers of days above 0"
            )
        self._validated(X, reset=True)
        return self

    def fit_transform(
        self, X: Any, y: Any = None, *, entities: Any = None, times: Any = None, keys: Any = None
    ) -> Vectors:
        """Return what `transform` returns, of rows of any width.

        Parameters
        ----------
        X, entities, times, keys
            As in `transform`.
        y : ignored

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        self.fit(X, y)
        made: Vectors = self.transform(X, entities=entities, times=times, keys=keys)
        return made

    def transform(
        self, X: Any, *, entities: Any = None, times: Any = None, keys: Any = None
    ) -> Vectors:
        """Return what lies before each row among all the rows given.

        Parameters
        ----------
        X : array-like of shape (n, dim)
        entities : sequence of length n, optional
            Who wrote each text; of None or NaN nothing is known. Without it no row has a past.
        times : sequence of datetime, length n
            When, in any order; needed with `entities`. Naive ones are taken as UTC. A row without
            a time has no past and is nobody's.
        keys : sequence or pyarrow.Table of length n, optional
            Which text each is a revision of; of one time the last one given counts. By default
            each row is a text of its own.

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        if entities is None:
            return self.transform_checked(X)
        if times is None:
            raise ValueError("EntityHistory: give times with entities; a past lies before a time")
        return self.transform_checked(
            X,
            microseconds(times, len(X), "times"),
            None if keys is None else owners_of(keys, len(X)),
            entity_numbers(entities, len(X)),
        )

    def transform_checked(
        self,
        X: Vectors,
        times: Moments | None = None,
        owners: Owners | None = None,
        entities: Owners | None = None,
        asked: NDArray[np.bool_] | None = None,
    ) -> Vectors:
        """Do the same without checks, of moments and owners as numbers; entity 0 is none.

        Rows that are not asked for are a past of others alone, and get zeros.
        """
        vectors = on_grid(unit_rows(X))
        wanted = np.ones(len(X), dtype=bool) if asked is None else asked
        made = np.zeros((len(X), len(self._names())), dtype=np.float32)
        nothing = self._past(vectors.shape[1]).before(0)
        if entities is None or times is None:
            alone = np.ones(len(X), dtype=bool)
        else:
            alone = (entities == 0) | (times == UNKNOWN)
            for row, seen in self._told(vectors, times, owners, entities, wanted):
                made[row] = self._features(vectors[row], seen, int(times[row]))
        for place in np.flatnonzero(alone & wanted):
            made[place] = self._features(vectors[place], nothing, 0)
        return made

    def states_checked(
        self,
        X: Vectors,
        times: Moments,
        owners: Owners,
        entities: Owners,
        at: Moments,
        of: Owners,
    ) -> NDArray[np.float64]:
        """Return what is there of entities `of` after all texts of the moments `at`.

        A row holds the columns of `states`. It is what the entity's next text would see of them,
        windows of days as if that came at once.
        """
        vectors, count = on_grid(unit_rows(X)), len(X)
        onlookers = np.arange(count + len(at)) >= count
        layout = self.states
        made = np.empty((len(at), layout.width))
        for row, seen in self._told(
            vectors,
            np.concatenate([times, at + 1]),
            # Each looks on under a key of its own, and is no part of any past.
            np.concatenate([owners, np.arange(1, len(at) + 1, dtype=np.uint64)]),
            np.concatenate([entities, of]),
            onlookers,
            ~onlookers,
        ):
            made[row - count] = layout.row(int(at[row - count]), seen)
        return made

    def against_states(
        self, X: Vectors, states: NDArray[np.float64], moments: Moments
    ) -> NDArray[np.float32]:
        """Return the history of texts of later moments than the states of those who wrote them.

        It is what `transform` gives, but for the columns that are not `lasting`. A state of NaN is
        that of an entity without a past.
        """
        vectors, layout = on_grid(unit_rows(X)), self.states
        made = np.zeros((len(X), len(self._names())), dtype=np.float32)
        for row, vector in enumerate(vectors):
            made[row] = self._features(vector, layout.seen(states[row]), int(moments[row]))
        return made

    @property
    def states(self) -> EntityStates:
        """The columns of an entity's state."""
        windows = [f"_{self._window(days)}" for days in _days(self.windows)]
        past = ["_newest", f"_last_{self.last}", "_decayed", *windows, ""]
        return EntityStates([*windows, ""], past, self.n_features_in_)

    @property
    def lasting(self) -> NDArray[np.bool_]:
        """Which columns an entity's state tells for as long as it stays: no windows of days."""
        windows = [days is None for days in self.windows]
        past = [True, True, *windows]
        columns = {
            "count": windows,
            "days": [True],
            "similarity": past,
            "change": [True],
            "spread": [True],
            "means": np.repeat(past, self.n_features_in_).tolist(),
        }
        return np.concatenate([columns[one] for one in chosen(self, "outputs", OUTPUTS)])

    def _past(self, width: int) -> Past:
        windows = [int(days * DAY) for days in _days(self.windows)]
        return Past(width, last=int(self.last), half_life=self.half_life, windows=windows)

    def _told(
        self,
        vectors: NDArray[np.float64],
        times: Moments,
        owners: Owners | None,
        entities: Owners,
        wanted: NDArray[np.bool_],
        written: NDArray[np.bool_] | None = None,
    ) -> Iterator[tuple[int, Seen]]:
        """Yield each wanted row that has an entity and a time, and what lies before it.

        Rows that are not written are no past of others, and have no vector.
        """
        known = np.flatnonzero((entities != 0) & (times != UNKNOWN))
        until, counts = _standing(times, owners, known)
        counts &= written if written is not None else True
        order = known[np.lexsort((times[known], entities[known]))]
        for rows in np.split(order, np.flatnonzero(np.diff(entities[order])) + 1):
            yield from self._of_entity(vectors, times, owners, until, rows, counts, wanted)

    def _of_entity(
        self,
        vectors: NDArray[np.float64],
        times: Moments,
        owners: Owners | None,
        until: Moments,
        rows: Rows,
        counts: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
    ) -> Iterator[tuple[int, Seen]]:
        """Yield an entity's wanted rows, in order of time, and what lies before each."""

        def past_of(some: list[int]) -> Past:
            past = self._past(vectors.shape[1])
            for moment in _moments(np.array(some, dtype=np.int64), times):
                past.add(int(times[moment[0]]), len(moment), vectors[moment].sum(axis=0))
            return past

        past, standing = self._past(vectors.shape[1]), list[int]()
        ends = NEVER  # when the first of the standing texts is revised
        for moment in _moments(rows, times):
            time = int(times[moment[0]])
            if ends < time:  # a text was revised: it no longer stands as it did
                standing = [row for row in standing if until[row] >= time]
                ends = min((int(until[row]) for row in standing), default=NEVER)
                past = past_of(standing)
            asked = moment[wanted[moment]]
            seen = past.before(time) if len(asked) else None
            for row in asked:
                others = standing
                if owners is not None and ends == time:
                    others = [one for one in standing if owners[one] != owners[row]]
                alone = len(others) < len(standing)
                yield int(row), past_of(others).before(time) if alone or seen is None else seen
            added = moment[counts[moment]]
            if len(added):
                past.add(time, len(added), vectors[added].sum(axis=0))
                standing += added.tolist()
                ends = min(ends, int(until[added].min()))

    def _features(self, vector: NDArray[np.float64], seen: Seen, time: int) -> NDArray[np.float64]:
        """Return the numbers of a row of a moment."""
        means = seen.means
        squares = np.square(means).sum(axis=1)
        cosines = (means * vector).sum(axis=1) / np.sqrt(np.where(squares > 0, squares, 1.0))
        # References are: the last moment, the last few, decayed, windows in days, all.
        whole = len(seen.counts) - 1
        days = iter(range(3, whole))
        windows = [whole if window is None else next(days) for window in self.windows]
        some = seen.counts[whole] > 0
        since = (time - seen.last) / DAY if seen.last is not None else 0.0
        made: dict[str, Any] = {
            "count": np.log1p(seen.counts[windows]),
            "days": [np.log1p(since) if some else -1.0],
            "similarity": cosines[[1, 2, *windows]],
            "change": [1.0 - cosines[0]],
            "spread": [max(0.0, 1.0 - squares[whole]) if some else 0.0],
            "means": means[[1, 2, *windows]].ravel(),
        }
        return np.concatenate([made[one] for one in chosen(self, "outputs", OUTPUTS)])

    @staticmethod
    def _window(days: float) -> str:
        return f"{days:g}d".replace(".", "_")

    def _names(self) -> list[str]:
        windows = ["" if days is None else f"_{self._window(days)}" for days in self.windows]
        past = [f"_last_{self.last}", "_decayed", *windows]
        names = {
            "count": [f"history_log_count{one}" for one in windows],
            "days": ["history_log_days"],
            "similarity": [f"history_similarity{one}" for one in past],
            "change": ["history_change"],
            "spread": ["history_spread"],
            "means": [
                f"history_mean{one}_{i:03d}" for one in past for i in range(self.n_features_in_)
            ],
        }
        return [name for one in chosen(self, "outputs", OUTPUTS) for name in names[one]]


def _days(windows: tuple[float | None, ...]) -> list[float]:
    return [days for days in windows if days is not None]


def _moments(rows: Rows, times: Moments) -> list[Rows]:
    """Cut rows in order of time into those of one time each."""
    return np.split(rows, np.flatnonzero(np.diff(times[rows])) + 1) if len(rows) else []


def _standing(
    times: Moments, owners: Owners | None, known: Rows
) -> tuple[Moments, NDArray[np.bool_]]:
    """Return until when each row is its text's newest, and whether it counts at all.

    Of one key's rows of one time the last given counts.
    """
    until, counts = np.full(len(times), NEVER), np.ones(len(times), dtype=bool)
    if owners is None or not len(known):
        return until, counts
    order = known[np.lexsort((known, times[known], owners[known]))]
    for rows in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
        revisions = _moments(rows, times)
        for earlier, later in itertools.pairwise(revisions):
            until[earlier] = times[later[0]]
        for revision in revisions:
            counts[revision[:-1]] = False
    return until, counts
