"""How much memory this process can still take: of the machine, and of its container."""

import math
from collections.abc import Iterator
from pathlib import Path

# By version of Linux's control groups: the files of a group's limit and use, and what its
# memory.stat calls the files in its use that the kernel gives away as soon as it needs room.
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = ("memory.max", "memory.current", "inactive_file")


def free_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Return how much memory a process can still take, as Linux tells it; no bound elsewhere.

    Parameters
    ----------
    proc, groups : Path
        Where the kernel shows processes and control groups.
    """
    about = proc / "meminfo"
    if not about.exists():
        return math.inf
    free = int(about.read_text(encoding="ascii").split("MemAvailable:")[1].split()[0]) * 1024
    return min([free, *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Yield what the limits of this process's group, and of those around it, leave."""
    own = proc / "self" / "cgroup"
    for line in own.read_text(encoding="utf-8").splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = groups / "memory" if controllers else groups
        # A container may see its own group as the top one, and not the folder that is named.
        inner = top.joinpath(*[part for part in path.split("/") if part not in ("", "..")])
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                yield from _left(folder, *(VERSION_1 if controllers else VERSION_2))


def _left(group: Path, limit: str, used: str, cached: str) -> Iterator[int]:
    try:
        most = int((group / limit).read_text(encoding="ascii"))
        taken = int((group / used).read_text(encoding="ascii"))
        stat = (group / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):  # not there, or without a limit: "max"
        return
    known = dict(zip(stat[::2], stat[1::2], strict=True))
    yield max(most - taken + int(known.get(cached, 0)), 0)
