"""Who holds what a run would wait for."""

from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from embfeast.errors import EmbfeastError
from embfeast.plugin.database import open_text_database
from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.subject import Subject
from embfeast.plugin.table_lock import FILE


def check_locks(subject: Subject) -> Iterator[Finding]:
    """Try the writer's lock of each feature table, and open each text database."""
    if held := [folder for folder in subject.tables if is_held(folder / FILE)]:
        yield Finding(
            "locks",
            "warning",
            f"a run is writing {', '.join(map(str, held))}",
            "wait for it, or end it: what it has written is whole",
        )
    else:
        yield Finding("locks", "ok", "no run is writing")
    for source in sorted(subject.sources, key=lambda one: str(one.name)):
        try:
            with open_text_database(source.path(subject.repo)):
                yield Finding("locks", "ok", f"text database of {source.name} can be read")
        except EmbfeastError as error:
            found, _, mend = str(error).partition("; ")
            yield Finding("locks", "broken", found, mend)


def is_held(file: Path) -> bool:
    """Tell whether a process holds a lock file; one that is not there is held by nobody."""
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False
