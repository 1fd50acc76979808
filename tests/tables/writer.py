"""A writer for tests that kill it; in a module, so that such a process can import it."""

import os
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from embfeast.tables.append import Appender
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.table import Table
from embfeast.tables.upkeep import compact, join
from tests.tables.conftest import IDENTITY, rows

STEPS = ["append", "join", "vacuum"]
ROWS = 40


def write(place: str, environment: Mapping[str, str], step: Any) -> None:
    """Add the rows that a table lacks, ten at a time, and clean up after each; say what is done."""
    os.environ.update(environment)

    def said(name: str, act: Any) -> Any:
        def do(*words: Any, **options: Any) -> Any:
            step.value = STEPS.index(name)
            return act(*words, **options)

        return do

    append = said("append", Appender.append)
    with (
        patch("embfeast.tables.upkeep.join", said("join", join)),
        patch.object(Table, "vacuum", said("vacuum", Table.vacuum)),
    ):
        table = Table.open(Place(place))
        present, appender = PresentRows(table, IDENTITY), Appender(table, IDENTITY)
        for start in range(0, ROWS, 10):
            chunk = rows(start, 10)
            append(appender, chunk.filter(list(present.lacking(chunk.select(IDENTITY)))))
            compact(table, kept_hours=0)
