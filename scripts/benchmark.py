"""How fast it is, beside what users would otherwise do: `python scripts/benchmark.py encode`.

Every number comes from this run: ours and the other side are measured in turn, several times.
"""

import contextlib
import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Annotated

import typer

from benchmarks.measure import Row, markdown, table
from console import console, run
from embfeast import EmbfeastError

BENCHMARKS = {
    "encode": "encode",
    "encode-bfloat16": "encode",
    "encode-int8": "encode",
    "encode-static": "encode",
    "int8-quality": "encode",
    "latency": "encode",
    "materialize": "materialize",
    "rematerialize": "materialize",
    "rematerialize-redis": "rematerialize",
    "rematerialize-postgres": "rematerialize",
    "point-in-time": "point_in_time",
    "online": "online",
    "live": "online",
    "memory": "memory",
    "startup": "startup",
    "training-set": "training_set",
    "training-set-ray": "training_set",
    "scaling": "scaling",
    "similar": "similar",
    "neighbours": "neighbours",
    "ray": "ray_workers",
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what libraries and other programs print to standard error: it is no result."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def benchmark(name: str) -> list[Row]:
    """Run one benchmark."""
    module = import_module(f"benchmarks.{BENCHMARKS[name]}")
    call: Callable[[], list[Row]] = getattr(module, name.replace("-", "_"))
    return call()


def main(
    name: Annotated[str, typer.Argument(help=f"{', '.join(BENCHMARKS)}, or all.")],
    json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A Markdown table.")] = False,
) -> None:
    """Measure, and print medians, spread and ratios."""
    if name not in (*BENCHMARKS, "all"):
        raise EmbfeastError(
            f"benchmark {name!r} is unknown; choose from {', '.join(BENCHMARKS)}, all"
        )
    rows: list[Row] = []
    with _quiet():
        for one in BENCHMARKS if name == "all" else [name]:
            print(f"measuring {one}", file=sys.stderr)
            rows += benchmark(one)
    if json:
        print(jsonlib.dumps([row.to_dict() for row in rows], indent=1))
    elif as_markdown:
        print(markdown(rows))
    else:
        console.print(table(rows))


if __name__ == "__main__":
    run(main)
