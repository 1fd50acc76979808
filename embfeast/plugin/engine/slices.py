"""Slices of a run: planned by keys and digests in one place, read and computed in another."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from numpy import bool_
from numpy.typing import NDArray

from embfeast.plugin.engine.chunks import (
    RunCounts,
    Work,
    counts_of,
    encode_work,
    identities,
    outdated_rows,
    with_text_digests,
    work_of,
    write_files,
)
from embfeast.plugin.feature_table import FeatureTable
from embfeast.recipe import FittedRecipe
from embfeast.tables.files import DataFile
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows, of_another_text
from embfeast.texts.opened import OpenedTexts
from embfeast.texts.stretches import Stretch, read_stretch


@dataclass(frozen=True)
class Slice:
    """Texts that nobody has read yet, and what the tables have of them.

    Attributes
    ----------
    stretch : Stretch
        Where they are, and their keys and times.
    found : dict from a table's place to what `PresentRows.find` gave
    """

    stretch: Stretch
    found: dict[Place, tuple[NDArray[bool_], pa.Array]]


@dataclass(frozen=True)
class Done:
    """What was done of a slice, and is not part of the tables yet.

    Attributes
    ----------
    counts : RunCounts
    host : str
        The machine.
    files : list of DataFile
    outdated : dict from a table's place to pyarrow.Table
        Keys and times of the rows whose place those of the files take.
    """

    counts: RunCounts
    host: str
    files: list[DataFile]
    outdated: dict[Place, pa.Table]


def slice_of(
    stretch: Stretch, tables: Mapping[Place, FeatureTable], present: Mapping[Place, PresentRows]
) -> Slice:
    """Look up what the tables have of a stretch."""
    found = {
        place: present[place].find(identities(stretch.rows, table))
        for place, table in tables.items()
    }
    return Slice(stretch, found)


def read_slice(
    texts: OpenedTexts, given: Slice, tables: Mapping[Place, FeatureTable], *, again: bool
) -> tuple[Work, dict[Place, pa.Table]]:
    """Read the texts of a slice; return what is left to do, and which rows are then outdated."""
    rows = with_text_digests(read_stretch(texts, given.stretch), texts.columns.texts)
    compared = {
        place: (absent, of_another_text(digests, identities(rows, tables[place])))
        for place, (absent, digests) in given.found.items()
    }
    work = work_of(rows, compared, again=again)
    return work, outdated_rows(work, tables, again=again)


def compute(
    work: Work, tables: Mapping[Place, FeatureTable], fitted: FittedRecipe
) -> tuple[RunCounts, list[DataFile]]:
    """Compute what is left to do and write its files; whoever adds them makes them seen."""
    features = fitted.apply(encode_work(work, tables, fitted))
    written = write_files(work, features, tables, fitted, lambda file: file)
    return counts_of(work, features), written
