"""Doors through which data and requests come: any of them is answered right or refused."""

import os

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """Return settings for so many examples, or as many as EMBFEAST_EXAMPLES asks for."""
    return settings(
        max_examples=int(os.environ.get("EMBFEAST_EXAMPLES", count)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


# An example through a whole door takes 20 to 500 ms, one of its reading half about a millisecond.
# They count no lines: other tests take the same ones, and to count takes as long as to read.
READING = examples(10_000)
WHOLE = examples(100)
FILES = examples(40)
