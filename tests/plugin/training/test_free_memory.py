"""The memory that is free, in files as Linux writes them."""

import math

import pytest

from embfeast.plugin.training.free_memory import free_bytes

GIB = 2**30


@pytest.fixture
def linux(tmp_path):
    """A machine with eight GiB free, and a function that puts the process into a group."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(
        f"MemTotal: 99 kB\nMemAvailable:    {8 * 2**20} kB\nBuffers: 1 kB\n"
    )

    def group(line: str, folder: str, limit: str, used: int, cached: int) -> None:
        (proc / "self" / "cgroup").write_text(line + "\n")
        first = not line.startswith("0::")
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if first
            else (
                "memory.max",
                "memory.current",
            )
        )
        place = groups / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, value in zip(names, (limit, used), strict=True):
            (place / name).write_text(f"{value}\n")
        stat = "total_inactive_file" if first else "inactive_file"
        (place / "memory.stat").write_text(f"anon 5\n{stat} {cached}\n")

    return proc, groups, group


def test_without_a_group_the_machine_alone_counts(linux):
    proc, groups, _ = linux
    assert free_bytes(proc, groups) == 8 * GIB
    assert free_bytes(proc / "elsewhere", groups) == math.inf


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("0::/", "."),
        ("0::/user/job", "user/job"),
        ("0::/user/job", "user"),
        ("4:memory:/docker/a1", "memory/docker/a1"),
        ("4:cpu,memory:/docker/a1", "memory"),
    ],
)
def test_a_containers_limit_counts_and_what_files_take_of_it_does_not(linux, line, folder):
    proc, groups, group = linux
    group(line, folder, str(4 * GIB), used=3 * GIB, cached=GIB // 2)
    assert free_bytes(proc, groups) == 1.5 * GIB
    group(line, folder, str(4 * GIB), used=5 * GIB, cached=0)
    assert free_bytes(proc, groups) == 0


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", str(64 * GIB)])
def test_a_group_that_leaves_more_than_the_machine_has_changes_nothing(linux, limit):
    proc, groups, group = linux
    line = "4:memory:/a" if limit.isdigit() else "0::/a"
    group(line, "memory/a" if limit.isdigit() else "a", limit, used=GIB, cached=0)
    assert free_bytes(proc, groups) == 8 * GIB


def test_groups_that_do_not_limit_memory_are_not_asked(linux):
    proc, groups, group = linux
    group("4:cpu,cpuacct:/a", "memory/a", str(GIB), used=0, cached=0)
    assert free_bytes(proc, groups) == 8 * GIB


def test_this_machine_says_something():
    assert free_bytes() > 0
