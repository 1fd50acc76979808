from pathlib import Path

import pytest

from embfeast.report.build import SECTIONS
from embfeast.tricks.registry import TRICKS

DOCS = Path(__file__).parents[2] / "docs" / "tricks" / "README.md"


@pytest.mark.parametrize("name", TRICKS)
def test_the_docs_table_says_what_each_trick_says_of_itself(name):
    line = next(line for line in DOCS.read_text().splitlines() if f"`{name}` |" in line)
    assert TRICKS[name].purpose in line


@pytest.mark.parametrize("name", TRICKS)
def test_each_trick_has_a_purpose_and_a_section_that_the_report_knows(name):
    trick = TRICKS[name]
    assert trick.purpose == trick.purpose.strip(".").strip()
    assert trick.section is None or trick.section in SECTIONS
