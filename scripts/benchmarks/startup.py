"""What it costs to import embfeast and to ask its command for help."""

import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, compared

REPEATS = 7
ALLOWED = 0.5


def startup() -> list[Row]:
    """CPU seconds of a whole process."""
    command = str(Path(sys.executable).with_name("embfeast"))
    cases = {
        "embfeast --help": [command, "--help"],
        "import": [sys.executable, "-c", "import embfeast"],
    }
    rows = []
    for name, arguments in cases.items():
        _cpu(arguments)  # files come into memory, bytecode is written
        spent = [_cpu(arguments) for _ in range(REPEATS)]
        rows.append(compared("startup", f"{name}: allowed", spent, [ALLOWED], "CPU s", "<= 1"))
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, embfeast, embfeast.cli; print('torch' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    imported = float(loaded.stdout.strip() == "True")
    rows.append(Row("startup", "torch imported", imported, 0.0, "times", imported, "<= 0"))
    return rows


def _cpu(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, check=True, capture_output=True)  # noqa: S603 - our own words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
