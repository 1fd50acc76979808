import re
import subprocess
import sys

import pytest

from tests.scripts.conftest import ROOT


@pytest.mark.slow
def test_the_reference_has_every_public_name_with_its_parameters(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    from embfeast import evaluation, plugin, tricks

    for module in (tricks, plugin, evaluation):
        page = (tmp_path / f"{module.__name__.replace('.', '/')}.html").read_text(encoding="utf-8")
        for name in module.__all__:
            assert f'id="{name}"' in page
    page = (tmp_path / "embfeast" / "tricks.html").read_text(encoding="utf-8")
    said = re.sub(r"<[^>]+>", "", page)
    assert "Parameters\n-----" not in said, "numpydoc is rendered, not shown as it stands"
    assert "strength (float, default 0.5)" in said
