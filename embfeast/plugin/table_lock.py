"""One writer a feature table: others wait, readers never do."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from filelock import FileLock, Timeout

from embfeast.errors import EmbfeastError

FILE = ".writer.lock"


@contextmanager
def only_writer(folders: Iterable[Path]) -> Iterator[None]:
    """Hold the tables of a run; the system frees them when the process ends, however it ends.

    Raises
    ------
    EmbfeastError
        A folder cannot be written.
    """
    with ExitStack() as held:
        for folder in sorted(folders):  # in one order, so that two runs never wait for each other
            lock = FileLock(folder / FILE)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                click.echo(f"another run is writing {folder}; waiting for it", err=True)
                lock.acquire()
            except OSError as error:
                raise EmbfeastError(
                    f"feature table {folder} cannot be written: {error.strerror or error}; run "
                    "again when there is room and permission"
                ) from error
            held.callback(lock.release)
        yield
