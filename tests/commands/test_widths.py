"""Tables fit the terminal, narrow or wide, and lose no word to it but the ends of texts."""

import pytest

from tests.commands.conftest import run

pytestmark = pytest.mark.slow
EDGES = "┃│┏└├┡"


@pytest.fixture
def stored(applied):
    run("materialize", "--repo", applied)
    return applied


@pytest.mark.parametrize("width", [60, 80, 200])
def test_tables_of_verify_doctor_and_similar_fit_the_terminal(stored, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    told = {
        "verify": run("verify", "--repo", stored, "--all").stdout,
        "doctor": run("doctor", "--repo", stored).stdout,
        "similar": run("similar", "review_reduced", "--repo", stored, "--text", "cold").stdout,
    }
    for name, said in told.items():
        table = [line for line in said.splitlines() if line[:1] in EDGES]
        assert len(table) > 5, name
        assert {len(line) for line in table} == {len(table[0])}, name
        assert len(table[0]) <= width, name
    assert "review_reduced" in "".join(told["verify"].split()).replace("│", "")
    assert ("…" in told["similar"]) == (width < 200)  # one line a text
    assert "…" not in told["doctor"] + told["verify"]
