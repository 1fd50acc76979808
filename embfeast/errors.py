"""The one error that every part of embfeast raises for a user's mistake."""

import click


class EmbfeastError(click.ClickException, ValueError):
    """A mistake that the user can mend: the message says what, where, and how.

    Commands print it as one line and exit with code 1, without a traceback. Feast's own commands
    do so too, since they are built on click.

    Examples
    --------
    >>> from embfeast.errors import EmbfeastError
    >>> raise EmbfeastError("table 'tickets' has no column 'bodi'; did you mean 'body'?")
    Traceback (most recent call last):
    ...
    embfeast.errors.EmbfeastError: table 'tickets' has no column 'bodi'; did you mean 'body'?
    """
