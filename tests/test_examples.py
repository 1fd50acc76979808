"""The notebook in `examples/` runs, and is kept without what it printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_kept_without_outputs(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow
def test_the_notebook_runs_and_shows_recipe_trick_and_evaluation(notebook, tmp_path):
    ran = NotebookClient(notebook, timeout=1_500, kernel_name="python3").execute(cwd=str(tmp_path))
    shown = [
        output.data.get("text/html", "") + output.data.get("text/plain", "")
        for cell in ran.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    for word in (
        "cluster_features, 4 numbers",
        "sk-estimator",
        "difference to raw",
        "('current', True)",
    ):
        assert any(word in one for one in shown), word
    said = [o for c in ran.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert not any("Warning" in one.text for one in said), said
    assert not list(tmp_path.iterdir()), "it leaves nothing behind where it is run"
