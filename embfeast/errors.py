"""The one error that every part of embfeast raises for a user's mistake."""

import difflib
from collections.abc import Iterable

import click


class EmbfeastError(click.ClickException, ValueError):
    """A mistake that the user can mend: the message says what, where, and how.

    Commands print it as one line and exit with code 1, without a traceback. Feast's own commands
    do so too, since they are built on click.

    Parameters
    ----------
    found : str
        What is wrong, and where.
    mend : str, optional
        What to do about it.

    Examples
    --------
    >>> from embfeast.errors import EmbfeastError
    >>> raise EmbfeastError("table 'tickets' has no column 'bodi'", mend="name another one")
    Traceback (most recent call last):
    ...
    embfeast.errors.EmbfeastError: table 'tickets' has no column 'bodi'; name another one
    """

    def __init__(self, found: str, mend: str = "") -> None:
        super().__init__(f"{found}; {mend}" if mend else found)
        self.found = found
        self.mend = mend


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was perhaps meant, or nothing.

    Examples
    --------
    >>> did_you_mean("bodi", ["id", "body"])
    " (did you mean 'body'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def first_line(error: object) -> str:
    """Return the first line of what another library's error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)
