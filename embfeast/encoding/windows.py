"""Texts longer than the model's window, read whole: overlapping windows and their seams."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Special = tuple[list[int], list[int]]
States = NDArray[np.float32]

# Pieces at a window's edge lack context on one side: neighbours overlap by a quarter, and each
# keeps the half of the overlap that lies nearer to its middle.
OVERLAP = 4
# A book fits (some 75,000 English words); what is longer is cut, so that memory stays bounded.
MOST_PIECES = 100_000


def cut_windows(pieces: list[int], special: Special, size: int) -> list[list[int]]:
    """Cut a text's word pieces into overlapping windows, each with its special pieces.

    Parameters
    ----------
    pieces : list of int
        Without special pieces. At most 100,000 are read.
    special : (list of int, list of int)
        What the model expects before and after a text.
    size : int
        Pieces of a window, special ones included.

    Returns
    -------
    list of list of int

    Examples
    --------
    >>> cut_windows([1, 2, 3, 4, 5, 6, 7], ([0], [9]), size=6)
    [[0, 1, 2, 3, 4, 9], [0, 4, 5, 6, 7, 9]]
    """
    before, after = special
    room, overlap = _room(special, size)
    pieces = pieces[:MOST_PIECES]
    last = max(len(pieces) - overlap, 1)
    starts = range(0, last, room - overlap)
    return [before + pieces[start : start + room] + after for start in starts]


def stitch(
    states: Sequence[States], windows: Sequence[list[int]], special: Special
) -> tuple[States, list[int]]:
    """Join the windows' states into one run over the whole text, each piece once.

    Parameters
    ----------
    states : sequence of ndarray of shape (pieces, dim), float32
        Of each window, special pieces included.
    windows : sequence of list of int
    special : (list of int, list of int)

    Returns
    -------
    states : ndarray of shape (pieces, dim), float32
        The leading special pieces' states are the mean over the windows.
    pieces : list of int
    """
    before, after = len(special[0]), len(special[1])
    _, overlap = _room(special, len(windows[0]))
    leading = np.mean([own[:before] for own in states], axis=0, dtype=np.float32)
    kept, pieces = [leading], list(windows[0][:before])
    for number, (own, ids) in enumerate(zip(states, windows, strict=True)):
        first = before + (overlap // 2 if number else 0)
        is_last = number == len(windows) - 1
        end = len(ids) if is_last else len(ids) - after - (overlap - overlap // 2)
        kept.append(own[first:end])
        pieces += ids[first:end]
    return np.concatenate(kept), pieces


def _room(special: Special, size: int) -> tuple[int, int]:
    room = size - len(special[0]) - len(special[1])
    return room, room // OVERLAP
