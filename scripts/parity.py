"""Compare features that came by different ways: offline, online, on demand."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass
class Difference:
    """How far two tables of features are apart.

    Attributes
    ----------
    values : int
        Numbers compared.
    unequal : int
        Of those, numbers whose bits differ.
    largest : float
        Largest absolute difference; infinite where one side is missing.
    where : str
        Feature of the largest difference.
    """

    values: int = 0
    unequal: int = 0
    largest: float = 0.0
    where: str = ""


def compare(left: pd.DataFrame, right: pd.DataFrame, features: list[str]) -> Difference:
    """Compare two tables row by row; both hold the same texts in the same order."""
    total = Difference()
    for feature in features:
        for one, other in zip(left[feature], right[feature], strict=True):
            _add(total, feature, _numbers(one), _numbers(other))
    return total


def _numbers(value: object) -> np.ndarray | None:
    if value is None or (np.isscalar(value) and pd.isna(value)):
        return None
    return np.atleast_1d(np.asarray(value, dtype=np.float32))


def _add(total: Difference, feature: str, one: np.ndarray | None, other: np.ndarray | None) -> None:
    if one is None and other is None:
        return
    if one is None or other is None or one.shape != other.shape:
        total.values += 1
        total.unequal += 1
        total.largest, total.where = float("inf"), feature
        return
    gaps = np.abs(one.astype(np.float64) - other)
    total.values += gaps.size
    total.unequal += int((one.view(np.uint32) != other.view(np.uint32)).sum())
    if gaps.max() > total.largest:
        total.largest, total.where = float(gaps.max()), feature
