"""One writer a feature table: others wait, readers never do."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from filelock import FileLock, Timeout

from embfeast.errors import EmbfeastError

FILE = ".writer.lock"
POLL = 0.005  # seconds between two tries: a push holds a table for some hundredths


class BusyError(EmbfeastError):
    """A table that another run is writing: the same call will work later."""


@contextmanager
def only_writer(folders: Iterable[Path], *, wait: float | None = None) -> Iterator[None]:
    """Hold the tables of a run; the system frees them when the process ends, however it ends.

    Parameters
    ----------
    folders : iterable of Path
    wait : float, optional
        Seconds to wait for another writer in silence; without end, and saying so, by default.

    Raises
    ------
    BusyError
        Another run still writes a table after `wait` seconds.
    EmbfeastError
        A folder cannot be written.
    """
    until = None if wait is None else time.monotonic() + wait
    with ExitStack() as held:
        for folder in sorted(folders):  # in one order, so that two runs never wait for each other
            lock = FileLock(folder / FILE)
            try:
                left = 0.0 if until is None else max(0.0, until - time.monotonic())
                lock.acquire(timeout=left, poll_interval=POLL)
            except Timeout as error:
                if until is not None:
                    raise BusyError(
                        f"feature table {folder} is being written by another run since more than "
                        f"{wait:g} seconds; nothing was stored, try again when it has ended"
                    ) from error
                click.echo(f"another run is writing {folder}; waiting for it", err=True)
                lock.acquire()
            except OSError as error:
                raise EmbfeastError(
                    f"feature table {folder} cannot be written: {error.strerror or error}; run "
                    "again when there is room and permission"
                ) from error
            held.callback(lock.release)
        yield
