"""Run in processes of their own: what glibc is told cannot be taken back."""

import os
import subprocess
import sys

import pytest

# Arrays that are freed raise glibc's bound; later ones of that size then stay in the process.
KEEPING = """
import numpy as np
from embfeast.plugin.engine.large_blocks import return_large_blocks
told = return_large_blocks() if {told} else False
np.ones(2**20 * 3)
arrays = [np.ones(2**20) for _ in range(20)]
last = bytearray(2**22 - 4096)
del arrays
kept = int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) // 1024
print(told, kept)
"""


def run(told: bool, **environment: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", KEEPING.format(told=told)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    said, kept = done.stdout.split()
    return said, int(kept)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_arrays_go_back_to_the_system():
    said, kept = run(told=True)
    assert said == "True"
    assert kept < run(told=False)[1] - 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_the_users_own_choice_stands():
    assert run(told=True, MALLOC_MMAP_THRESHOLD_="1000000")[0] == "False"
