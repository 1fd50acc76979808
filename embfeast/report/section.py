"""What a section of the report is made of; the page knows how to show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows a person reads; numbers are aligned to the right, the note is said below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class LegendGroup:
    """Texts shown in one colour and shape, places in the page's palette and shapes."""

    name: str
    count: int
    color: int
    shape: int


@dataclass(frozen=True)
class Figure:
    """A picture (Vega-Lite) with what it shows in words and numbers.

    A screen reader reads the description. `legends`, by what points may be coloured by, stay empty
    where the picture has its own or needs none. A `half` one may stand beside another;
    `scale` names shades by CSS colour.
    """

    title: str
    description: str
    spec: dict[str, Any]
    data: Table
    caption: str = ""
    legends: dict[str, list[LegendGroup]] = field(default_factory=dict)
    half: bool = False
    scale: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Section:
    """One chapter: its title, what kind of thing it is about, paragraphs, figures and tables."""

    title: str
    about: str = ""
    prose: Sequence[str] = ()
    parts: Sequence[Figure | Table] = ()
