"""What a command imports: seconds of CPU, each time that somebody asks."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.commands.conftest import run

KEY = ["--key", "shop=north", "--key", "number=3"]
LEARNING = {"torch", "transformers", "sentence_transformers", "onnx", "onnxscript"}
COMMAND = """
import json, sys
from embfeast.cli import main
try: main()
except SystemExit: pass
print(json.dumps([name for name in sys.modules if "." not in name]))
"""


def imported_by(*words: object) -> set[str]:
    """Run a command in a process of its own; return the packages that it has imported."""
    return set(json.loads(python(COMMAND, *words)))


def python(code: str, *words: object) -> str:
    """Return the last line that a process printed."""
    given = [sys.executable, "-W", "ignore", "-c", code, *map(str, words)]
    ran = subprocess.run(given, capture_output=True, text=True, check=True)
    return ran.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_no_command_that_reads_a_repository_imports_torch(applied):
    run("materialize", "--repo", applied)
    by_key = imported_by("lookup", "--repo", applied, *KEY)
    assert "feast" in by_key
    assert by_key & (LEARNING | {"sklearn", "scipy", "onnxruntime", "tokenizers"}) == set()
    for words in (
        ["lookup", "--text", "The bill was wrong"],
        ["similar", "review_reduced", "--text", "The bill was wrong"],
        ["verify"],
        ["doctor"],
        ["materialize"],
    ):
        found = imported_by(*words, "--repo", applied)
        assert "feast" in found
        assert found & LEARNING == set(), words


@pytest.mark.parametrize(
    "words",
    [
        ["lookup"],
        ["lokup"],
        ["lookup", "--kye", "number=3"],
        ["lookup", "--key", "number"],
        ["similar", "review_reduced"],
        ["similar", "review_reduced", "--text", "a", "-k", "0"],
        ["verify", "--sample", "0"],
        ["verify", "--repo", "nowhere"],
        ["forget", "--key", "number"],
        ["fit", "--repo", "nowhere"],
        ["promote", "1f0c9a", "--repo", "nowhere"],
        ["evaluate", "--repo", "nowhere"],
        ["report", "--repo", "nowhere"],
        ["materialize", "--start", "yesterday"],
    ],
)
def test_a_wrong_argument_is_said_before_anything_is_imported(words):
    slow = {"feast", "pandas", "numpy", "pyarrow", "duckdb", "rich"}
    assert not imported_by(*words) & slow


def test_a_command_is_imported_without_the_others():
    code = COMMAND.replace('if "." not in name', 'if name.startswith("embfeast.commands.")')
    found = json.loads(python(code, "lookup", "--nonsense"))
    assert {name.rpartition(".")[2] for name in found} == {"lookup", "options", "console"}


@pytest.mark.parametrize("written", ["", "project: [", "- a list"])
def test_a_file_without_settings_is_said_before_feast_is_imported(tmp_path, written):
    (tmp_path / "feature_store.yaml").write_text(written)
    assert "feast" not in imported_by("doctor", "--repo", tmp_path)


def test_torch_is_there_for_who_asks_feast_for_tensors():
    code = """
import sys
from embfeast.plugin.quick_feast import import_feast
import_feast(checked=False)
before = "torch" in sys.modules
from feast.torch_wrapper import get_torch
print(before, get_torch().__name__)
"""
    assert python(code) == "False torch"


def test_feast_imports_nothing_else_from_the_module_that_stands_in():
    feast = Path(next(iter(find_spec("feast").submodule_search_locations)))
    asked = {
        name
        for file in feast.rglob("*.py")
        for name in re.findall(r"feast\.torch_wrapper import (.+)", file.read_text("utf-8"))
    }
    assert asked == {"get_torch"}


@pytest.mark.parametrize(("checked", "answer"), [(True, "TypeCheckError"), (False, "nothing")])
def test_types_are_checked_where_files_of_the_repository_are_run(checked, answer):
    code = f"""
import typeguard
checking = typeguard.typechecked
from embfeast.plugin.quick_feast import import_feast
import_feast(checked={checked})
from feast import Field
from feast.types import Int64
try: Field(name="a", dtype=Int64, description=3); said = "nothing"
except Exception as error: said = type(error).__name__
print(said, typeguard.typechecked is checking)
"""
    assert python(code) == f"{answer} True"
