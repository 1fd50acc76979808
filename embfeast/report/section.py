"""What a section of the report is made of; the page knows how to show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows a person reads.

    Attributes
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence
        Numbers are aligned to the right; strings may be anything a user wrote.
    note : str
        Said below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class Group:
    """One entry of a legend: texts shown in one colour and shape.

    Attributes
    ----------
    name : str
    count : int
    color, shape : int
        Places in the page's palette and shapes.
    """

    name: str
    count: int
    color: int
    shape: int


@dataclass(frozen=True)
class Figure:
    """A picture with what it shows in words and numbers.

    Attributes
    ----------
    title : str
    description : str
        Read out by a screen reader in the picture's place.
    spec : dict
        Vega-Lite.
    data : Table
        The numbers drawn.
    caption : str
        Said below it.
    legends : dict of list of Group
        By what the points may be coloured by; its first key is shown first. Empty where the
        picture has its own legend or needs none.
    half : bool
        Whether it may stand beside another one on a wide screen.
    """

    title: str
    description: str
    spec: dict[str, Any]
    data: Table
    caption: str = ""
    legends: dict[str, list[Group]] = field(default_factory=dict)
    half: bool = False


@dataclass(frozen=True)
class Section:
    """One chapter of the report.

    Attributes
    ----------
    title : str
    about : str
        What kind of thing it is about: a trick's name, or nothing.
    prose : sequence of str
        Paragraphs with the numbers.
    parts : sequence of Figure or Table
    """

    title: str
    about: str = ""
    prose: Sequence[str] = ()
    parts: Sequence[Figure | Table] = ()
