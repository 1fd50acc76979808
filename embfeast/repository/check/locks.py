"""Who holds what a run would wait for."""

from collections.abc import Iterator

from embfeast.errors import EmbfeastError
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository


def check_locks(repository: Repository) -> Iterator[Finding]:
    """Open each text database."""
    for source in repository.sources:
        try:
            with source.connect(repository.folder):
                yield Finding("locks", "ok", f"text database of {source.name} can be read")
        except EmbfeastError as error:
            yield Finding("locks", "broken", error.found, error.mend)
