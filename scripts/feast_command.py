"""Run Feast's own command line, as a user would."""

import os
import subprocess
import sys
from pathlib import Path

from embfeast import EmbfeastError


def feast(repo: Path, *arguments: str) -> None:
    """Run ``feast`` on a feature repository; its output goes where ours goes.

    Raises
    ------
    EmbfeastError
        It ended with another code than 0. What it said stands above.
    """
    program = Path(sys.executable).with_name("feast")
    command = [str(program), "-c", str(repo), *arguments]
    # Feast announces its alpha features at every call; the demo's reader need not see it.
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(command, env=environment, check=False)  # noqa: S603 - our own words
    if ended.returncode:
        raise EmbfeastError(f"`feast {' '.join(arguments)}` ended with code {ended.returncode}")
