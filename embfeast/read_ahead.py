"""Work in two halves side by side: the next item is made while the last one is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, none of them None, the next one being made in another thread while one is used.

    >>> list(read_ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    reader = ThreadPoolExecutor(1)
    try:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item
    finally:
        # After an error the reader may be what clears this away, and cannot await itself.
        reader.shutdown(wait=False, cancel_futures=True)
