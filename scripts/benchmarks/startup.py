"""What it costs to import embfeast and to ask its commands, in CPU seconds of a whole process."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, compared, in_turn
from benchmarks.repository import make_repository, materialize_all

REPEATS = 7
ALLOWED = 0.5
MISTAKE = 0.3
TEXTS = 200
FEAST = [sys.executable, "-c", "import feast"]
# What a command may take beyond a bare `import feast` in the same run.
LOOKUPS = {
    "lookup --key": (["--key", "ticket_id=1"], 0.8),
    "lookup --text": (["--text", "I was charged twice"], 1.5),
}


def startup() -> list[Row]:
    """CPU seconds of a whole process."""
    command = str(Path(sys.executable).with_name("embfeast"))
    cases = {
        "embfeast --help": ([command, "--help"], ALLOWED),
        "import": ([sys.executable, "-c", "import embfeast"], ALLOWED),
        "a wrong argument": ([command, "lookup", "--kye", "ticket_id=1"], MISTAKE),
    }
    rows = []
    for name, (arguments, allowed) in cases.items():
        _cpu(arguments)  # files come into memory, bytecode is written
        spent = [_cpu(arguments) for _ in range(REPEATS)]
        rows.append(compared("startup", f"{name}: allowed", spent, [allowed], "CPU s", "<= 1"))
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repo", TEXTS)
        materialize_all(repo)
        for name, (words, beyond) in LOOKUPS.items():
            rows.append(
                _beside_feast(name, [command, "lookup", "--repo", str(repo), *words], beyond)
            )
    return [*rows, _torch_imported()]


def _beside_feast(name: str, arguments: list[str], beyond: float) -> Row:
    _cpu(arguments), _cpu(FEAST)
    spent, feast = in_turn(lambda: _cpu(arguments), lambda: _cpu(FEAST), REPEATS)
    allowed = [one + beyond for one in feast]
    against = f"{name}: import feast + {beyond} s"
    return compared("startup", against, spent, allowed, "CPU s", "<= 1")


def _torch_imported() -> Row:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, embfeast, embfeast.cli; print('torch' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    imported = float(loaded.stdout.strip() == "True")
    return Row("startup", "torch imported", imported, 0.0, "times", imported, "<= 0")


def _cpu(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A wrong argument is to end with another code than 0.
    subprocess.run(arguments, check=False, capture_output=True)  # noqa: S603 - our own words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
