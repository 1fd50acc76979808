"""Tables of another domain than the sample, and commands as a user types them."""

import os
import random
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from embfeast.cli import app

THING = ["kitchen", "cold store", "fish counter", "wash basin", "bread oven", "waste room"]
STATE = ["was clean", "smelled of gas", "had mice", "was too warm", "lacked soap", "was mouldy"]
ORDER = ["mended at once", "closed for a week", "photographed", "left as it was", "cleaned"]


def note(i: int) -> str:
    """Return the text of an inspection; no two are equal."""
    say = random.Random(i)
    return (
        f"The {say.choice(THING)} {say.choice(STATE)} and was {say.choice(ORDER)}; "
        f"the {say.choice(THING)} {say.choice(STATE)}. Visit number {i}."
    )


class Shell:
    """Commands in a folder."""

    def __init__(self, folder: Path, *, spawn: bool = True) -> None:
        self.folder = folder
        self.spawn = spawn  # else embfeast runs in this process, which saves its imports

    def __call__(self, *words: object, code: int = 0) -> str:
        command = [str(word) for word in words]
        if command[0] == "embfeast" and not self.spawn:
            with chdir(self.folder):
                ended = CliRunner().invoke(app, command[1:])
            assert ended.exit_code == code, ended.output + repr(ended.exception)
            return ended.stdout
        if command[0] == "embfeast":
            command = [sys.executable, "-m", "embfeast.cli", *command[1:]]
        else:
            command[0] = str(Path(sys.executable).with_name(command[0]))
        ran = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
            check=False,
        )
        said = ran.stdout + ran.stderr
        if ran.returncode != code:
            raise AssertionError(said)
        assert "Traceback" not in said, said
        return said

    def table(self, name: str, columns: str, rows: list[tuple]) -> Path:
        """Write a table into a database of its name."""
        path = self.folder / f"{name}.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"CREATE TABLE {name} ({columns})")
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        return path


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
