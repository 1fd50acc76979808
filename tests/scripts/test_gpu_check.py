import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"


@pytest.mark.slow
def test_a_machine_without_a_gpu_is_told_so():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    ended = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    assert ended.stdout == "No CUDA device is here: nothing was measured.\n"
