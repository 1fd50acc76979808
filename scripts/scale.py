"""What a table of yours would take: `python scripts/scale.py measure`, then `… plan 1e8`.

`measure` writes what a text costs on this machine, part by part, to a file of rates. `plan`
multiplies: it measures nothing, and its prices are yours to give.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.table import Table

from benchmarks import texts
from benchmarks.repository import make_repository, materialize_all, served_in
from console import console
from embfeast import EmbfeastError, Encoder
from embfeast.cli import main

RATES = Path(__file__).with_name("rates.yaml")
HOUR, GIGABYTE = 3600.0, 1e9
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@dataclass(frozen=True)
class Rates:
    """What one text costs.

    Attributes
    ----------
    measured : str
        When, and on what.
    encode, tables, online : float
        CPU seconds: the model's pass; features and their tables; rows for the online store.
    feature_tables, cache, online_store : float
        Bytes that are kept.
    """

    measured: str
    encode: float
    tables: float
    online: float
    feature_tables: float
    cache: float
    online_store: float

    @property
    def seconds(self) -> dict[str, float]:
        """CPU seconds of a text by part."""
        return {"encode": self.encode, "tables": self.tables, "online": self.online}


@app.command()
def measure(
    count: Annotated[int, typer.Argument(min=500, help="So many texts are materialized.")] = 5_000,
    to: Annotated[Path, typer.Option(help="The file of rates.")] = RATES,
) -> None:
    """Measure all views of the sample repository, with SQLite online, on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        rates = rates_of(make_repository(Path(folder) / "repo", count), count)
    to.write_text(yaml.safe_dump(asdict(rates), sort_keys=False))
    print(f"written to {to}", file=sys.stderr)


@app.command()
def plan(
    count: Annotated[float, typer.Argument(min=1, help="Texts in the table, as 1e8.")],
    rates: Annotated[Path, typer.Option(help="What `measure` wrote.")] = RATES,
    hours: Annotated[float, typer.Option(min=0.01, help="The first run is to take so long.")] = 24,
    cores: Annotated[int, typer.Option(min=1, help="Of one machine.")] = 16,
    core_hour: Annotated[float, typer.Option(min=0, help="Price of a core for an hour.")] = 0.04,
    cold: Annotated[float, typer.Option(min=0, help="Price of a GB and month in files.")] = 0.023,
    warm: Annotated[float, typer.Option(min=0, help="The same in the online store.")] = 0.25,
) -> None:
    """Print hours, machines, storage and money of a table."""
    found = read_rates(rates)
    console.print(f"Rates of {found.measured}. Prices are assumed: give your own.")
    made = Table("part", "amount", "money")
    spent = 0.0
    for part, seconds in found.seconds.items():
        spent += count * seconds / HOUR
        _row(made, f"{part}, core-hours", count * seconds / HOUR, core_hour)
    _row(made, "the first run, core-hours", spent, core_hour)
    machines = math.ceil(spent / (hours * cores))
    _row(made, f"machines of {cores} cores", machines)
    _row(made, "hours of the first run", spent / (machines * cores))
    for kept, price in (("feature_tables", cold), ("cache", cold), ("online_store", warm)):
        size = count * getattr(found, kept) / GIGABYTE
        _row(made, f"{kept.replace('_', ' ')}, GB, a month", size, price)
    console.print(made)


def rates_of(repo: Path, count: int) -> Rates:
    """Measure a fitted and applied repository that holds so many texts."""
    encoder = Encoder()
    encoder.encode(texts.texts(100))  # the model is loaded
    encode = _cpu(lambda: encoder.encode(texts.texts(count)))
    with served_in(_cpu) as online:
        whole = _cpu(lambda: materialize_all(repo))
    data = repo / "data"
    kept = {
        "feature_tables": _bytes(data / "features"),
        "cache": _bytes(data / "cache"),
        "online_store": (data / "online.db").stat().st_size,
    }
    tables = max(0.0, whole - sum(online) - encode)
    seconds = {"encode": encode, "tables": tables, "online": sum(online)}
    each = {name: value / count for name, value in (seconds | kept).items()}
    return Rates(f"{datetime.now(UTC):%d %B %Y}, {count:,} texts", **each)


def read_rates(path: Path) -> Rates:
    """Read what `measure` wrote.

    Raises
    ------
    EmbfeastError
        If there is no such file, or it holds something else.
    """
    try:
        return Rates(**yaml.safe_load(path.read_text()))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise EmbfeastError(
            f"{path} is no file of rates: {error}",
            mend=f"write one: python scripts/scale.py measure --to {path}",
        ) from error


def _row(table: Table, part: str, amount: float, price: float | None = None) -> None:
    money = "" if price is None else f"{amount * price:,.2f}"
    table.add_row(part, f"{amount:,.2f}", money)


def _cpu(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main(app)
