from dataclasses import replace
from xml.etree import ElementTree

from embfeast.evaluation import Evaluation, Row

RAW = Row("linear", "raw", 0.8, 0.0, 0.0, 0.0, "", 384, 1536, 0.1)
NEAR = replace(RAW, features="<near>", difference=0.02, low=0.01, high=0.03, verdict="helps")
FOUND = Evaluation(
    [RAW, NEAR], "accuracy", "time", 10, 1200, 3, 600, 1, ["rare & small"], verdict="Use <near>"
)


def test_the_table_shows_each_difference_with_its_interval():
    rows = ElementTree.fromstring(FOUND._repr_html_()).findall(".//tbody/tr")
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert cells[0][:4] == ["linear", "raw", "0.8000", "—"]
    assert cells[1][3] == "+2.00 [+1.00, +3.00]"
    assert cells[1][5] == "helps"
    assert rows[1].find(".//svg") is not None
    assert rows[0].find(".//svg") is None


def test_an_interval_is_drawn_from_its_low_end_to_its_high_end():
    root = ElementTree.fromstring(FOUND._repr_html_())
    line = root.findall(".//svg/path")[1].get("d")
    assert line == "M105.3 7 H156.0"  # the middle is 80, a reach of 0.03 is 76 pixels


def test_names_and_notes_are_escaped_and_the_conditions_are_said():
    said = FOUND._repr_html_()
    assert "&lt;near&gt;" in said
    assert "rare &amp; small" in said
    assert "1,200 texts (3 left out for want of text or label), 10 folds by time, 600 rows" in said
