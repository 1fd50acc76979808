"""States of entities as columns, and the history of a new text against them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError
from embfeast.recipe.encoded import is_missing
from embfeast.recipe.features import Feature, lists
from embfeast.recipe.fitted import FittedRecipe
from embfeast.tricks.parts.entity_states import State
from embfeast.tricks.parts.occasions import Moments


def state_features(fitted: FittedRecipe, entry: str) -> list[Feature]:
    """Return the columns of an entity's state, of an entry on what entities wrote before."""
    prefix = fitted.settings.tricks[entry].prefix
    columns = fitted.tricks[entry].states.columns
    return [Feature(prefix + column.name, column.kind, column.width) for column in columns]


def state_columns(fitted: FittedRecipe, entry: str, states: State) -> dict[str, Any]:
    """Return states, as the entry's trick gives them, as columns in Arrow."""
    columns: dict[str, Any] = {}
    first = 0
    for feature in state_features(fitted, entry):
        numbers = states[:, first : first + feature.width]
        first += feature.width
        if feature.kind == "doubles":
            ends: Any = pa.array(np.arange(len(states) + 1) * feature.width, pa.int32())
            columns[feature.name] = pa.ListArray.from_arrays(ends, pa.array(numbers.ravel()))
        else:
            # Whole numbers up to 2**53 are exact in float64, and microseconds are below it.
            cells = pa.array(numbers[:, 0], mask=np.isnan(numbers[:, 0]))
            columns[feature.name] = cells.cast(feature.arrow_type, safe=feature.kind == "integer")
    return columns


def states_of(fitted: FittedRecipe, entry: str, columns: Mapping[str, Sequence[Any]]) -> State:
    """Return states of their columns as Python values; an entity without one has NaN."""
    return np.hstack(
        [_numbers(columns[one.name], one.width) for one in state_features(fitted, entry)]
    )


def _numbers(cells: Sequence[Any], width: int) -> NDArray[np.float64]:
    made = np.full((len(cells), width), np.nan)
    for row, cell in enumerate(cells):
        if cell is not None:
            made[row] = cell
    return made


def lasting_features(fitted: FittedRecipe, entry: str) -> list[Feature]:
    """Return the features of a new text that its entity's state tells at any later moment.

    Raises
    ------
    EmbfeastError
        The entry makes one vector, and some of its numbers are of windows of days.
    """
    lasting = fitted.tricks[entry].lasting
    features = fitted.features(entry)
    if features[0].kind != "vector":
        return [one for one, lasts in zip(features, lasting, strict=True) if lasts]
    if not lasting.all():
        raise EmbfeastError(
            f"recipe {fitted.settings.name!r}: entry {entry!r} is one vector, and holds windows of "
            "days, which move on after the state that is stored",
            "leave 'means' out of its outputs, so that its numbers are columns with names, or set "
            "windows: [null]",
        )
    return features


def against_states(
    fitted: FittedRecipe,
    entry: str,
    texts: Sequence[str | None],
    states: State,
    moments: Moments,
) -> dict[str, list[Any]]:
    """Return the lasting features of new texts of later moments than their entities' states.

    Parameters
    ----------
    fitted : FittedRecipe
    entry : str
        On what entities wrote before.
    texts : sequence of str or None, length n
    states : ndarray of shape (n, width), float64
        Of those who wrote them; NaN where they have none.
    moments : ndarray of shape (n,), int64
        Microseconds since 1970.

    Returns
    -------
    dict of list of length n
        By feature; None for a missing or blank text.
    """
    trick, read = fitted.tricks[entry], fitted.settings.tricks[entry].input
    features = lasting_features(fitted, entry)
    present = [row for row, text in enumerate(texts) if not is_missing(text)]
    made: dict[str, list[Any]] = {one.name: [None] * len(texts) for one in features}
    if not present:
        return made
    kept = [str(texts[row]) for row in present]
    vectors = fitted.matrices(kept, [read] if read in fitted.tricks else [])[read]
    history = trick.against_states(vectors, states[present], moments[present])
    for name, values in lists(features, history[:, trick.lasting]):
        for row, value in zip(present, values, strict=True):
            made[name][row] = value
    return made
