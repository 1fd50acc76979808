"""What kind of label it is: classes, numbers, or classes in an order."""

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embfeast.errors import EmbfeastError

TaskKind = Literal["classes", "ordered", "numbers"]
# Grades: whole numbers no larger than this, at least three of them. More is a count or a code.
LARGEST_GRADE = 10
FEWEST_GRADES = 3
# More whole numbers than this are a size, unless they are the codes 0 … k.
MOST_CODES = 30
# A largest class that holds so much more than an even share makes accuracy say little.
UNEVEN = 0.2


def read_labels(given: Sequence[Any], task: str | None) -> tuple[NDArray[Any], TaskKind, str]:
    """Return labels as strings or float64, their kind, and how it was decided.

    Examples
    --------
    >>> read_labels([1, 5, 3, 4], None)[1:]
    ('ordered', 'whole numbers from 1 to 5 are taken for grades (classes: --task classes)')
    >>> read_labels(["yes", "no"], None)[1:], read_labels([2.5, 7.25], None)[1:]
    (('classes', ''), ('numbers', ''))
    """
    if task is not None and task not in get_args(TaskKind):
        raise EmbfeastError(
            f"task={task!r} is unknown; choose from {', '.join(get_args(TaskKind))}"
        )
    numbers = _as_numbers(given)
    why = ""
    if task is None:
        task, why = _decided(numbers)
    if task == "classes":
        # 1.0 and 1 are one name: pandas makes floats of whole numbers with gaps.
        whole = numbers is not None and bool((numbers == np.floor(numbers)).all())
        named = numbers.astype(np.int64) if numbers is not None and whole else given
        return np.asarray([str(one) for one in named]), "classes", why
    if numbers is None:
        odd = next(one for one in given if not _is_number(one))
        raise EmbfeastError(f"the label {odd!r} is no number; take task='classes'")
    return numbers, "ordered" if task == "ordered" else "numbers", why


def is_uneven(labels: NDArray[Any]) -> bool:
    """Tell whether the largest class holds so much that accuracy says little."""
    sizes = np.unique(labels, return_counts=True)[1]
    return bool(sizes.max() / sizes.sum() - 1 / len(sizes) >= UNEVEN)


def _decided(numbers: NDArray[np.float64] | None) -> tuple[TaskKind, str]:
    if numbers is None:
        return "classes", ""
    values = np.unique(numbers)
    if (values != np.floor(values)).any():
        return "numbers", ""
    low, high = int(values[0]), int(values[-1])
    said = f"whole numbers from {low:,} to {high:,} are taken for"
    if low >= 0 and high <= LARGEST_GRADE and len(values) >= FEWEST_GRADES:
        return "ordered", f"{said} grades (classes: --task classes)"
    if len(values) > MOST_CODES and high - low >= len(values):
        return "numbers", f"{said} sizes (classes: --task classes)"
    return "classes", f"{said} classes (sizes: --task numbers)"


def _as_numbers(given: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return numbers as float64; None where a label is none."""
    if not all(_is_number(one) for one in given):
        return None
    numbers = np.array([float(one) for one in given], dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise EmbfeastError("a label is infinite", "leave such rows out")
    return numbers


def _is_number(one: Any) -> bool:
    return isinstance(one, Real | Decimal) and not isinstance(one, bool | np.bool_)
