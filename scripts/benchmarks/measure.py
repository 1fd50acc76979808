"""How things are measured: both sides in turn, several times, and their medians compared."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name, against : str
        The benchmark, and what ours is compared with.
    ours, theirs : float
        Medians.
    unit : str
        Of both.
    ratio : float
        As `needed` means it: what stands in its own words in `says`.
    needed : str
        ``">= 1.5"`` or ``"<= 0.35"``.
    spread : str
        Smallest and largest of ours and of theirs.
    """

    name: str
    against: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    needed: str
    spread: str = field(default="", compare=False)

    @property
    def met(self) -> bool:
        """Whether the ratio is what is needed."""
        sign, bound = self.needed.split()
        return self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        values = asdict(self)
        del values["spread"]
        return values | {"met": self.met}


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    gc.collect()
    return elapsed(call)


def elapsed(call: Callable[[], Any]) -> float:
    """Return how long a part of a run takes: nothing is tidied up before it."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def milliseconds(call: Callable[[], Any]) -> float:
    """Return how long a short call takes: nothing is tidied up before it, as in a server."""
    return 1000 * elapsed(call)


def peak_mebibytes() -> float:
    """Return the most memory that this process has held, in MiB.

    `getrusage` is no use: Linux lets a new process begin with the peak of the one that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], repeats: int
) -> tuple[list[float], list[float]]:
    """Measure both sides alternately, so that the machine's moods meet both alike."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        found[0].append(ours())
        found[1].append(theirs())
    return found


def compared(
    name: str,
    against: str,
    ours: list[float],
    theirs: list[float],
    unit: str,
    needed: str,
    *,
    inverse: bool = False,
) -> Row:
    """Make a row of two lists of measurements.

    Parameters
    ----------
    inverse : bool, default False
        The ratio is theirs by ours: how many times faster ours is, where seconds are compared.
    """
    own, other = statistics.median(ours), statistics.median(theirs)
    ratio = other / own if inverse else own / other
    spread = f"{min(ours):.3g}–{max(ours):.3g} / {min(theirs):.3g}–{max(theirs):.3g}"
    return Row(name, against, own, other, unit, ratio, needed, spread)


def table(rows: list[Row]) -> Table:
    """Return the rows for a terminal."""
    made = Table(title_justify="left")
    for heading in ("name", "against", "ours", "theirs", "unit", "spread", "ratio", "needed", ""):
        made.add_column(heading)
    for row in rows:
        made.add_row(
            row.name,
            row.against,
            _figure(row.ours),
            _figure(row.theirs),
            row.unit,
            row.spread,
            f"{row.ratio:.3g}",
            row.needed,
            "met" if row.met else "[red]missed",
        )
    return made


def markdown(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| name | against | ours | theirs | unit | ratio | needed | met |",
        "|---|---|---:|---:|---|---:|---|---|",
    ]
    for row in rows:
        met = "met" if row.met else "**missed**"
        compared = f"{_figure(row.ours)} | {_figure(row.theirs)} | {row.unit} | {row.ratio:.3g}"
        lines.append(f"| {row.name} | {row.against} | {compared} | {row.needed} | {met} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    """Return four figures, and large numbers without an exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
