"""What an editor says of the public names: types under pyright's basic mode, help on hovering."""

import doctest
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jedi
import pytest
from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).parents[1]
# Whole programs; other pages have parts of a repository's files, and what Feast's own types refuse.
NAMES = ("README.md", "docs/quickstart.md", "docs/gallery.md", "docs/refitting.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs" / "tricks").glob("*.md"))]
MODULES = (
    "embfeast",
    "embfeast.encoding",
    "embfeast.evaluation",
    "embfeast.plugin",
    "embfeast.repository",
    "embfeast.tricks",
)
PUBLIC = [
    (module, name)
    for module in MODULES
    for name in import_module(module).__all__
    if not name.isupper() and not name.startswith("_") and name != "EmbeddingProvider"  # an alias
]


def checked(folder: Path, files: dict[str, str]) -> list[str]:
    """Return what pyright calls an error in basic mode."""
    for name, code in files.items():
        (folder / name).write_text(code, encoding="utf-8")
    settings = {"typeCheckingMode": "basic", "pythonVersion": "3.11", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    ran = subprocess.run([*pyright, "--project", folder], capture_output=True, text=True)
    found = json.loads(ran.stdout)
    assert found["summary"]["filesAnalyzed"] == len(files), ran.stderr
    return [
        f"{Path(one['file']).name}:{one['range']['start']['line'] + 1} {one['message']}"
        for one in found["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def code_of(page: Path) -> str:
    """Return a page's Python as one program."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    said = []
    for fence in FencedCodeBlockLexer("python")(document):
        block = fence.lexemes["source"]
        prompted = [one.source for one in doctest.DocTestParser().get_examples(block)]
        said.append("".join(prompted) or block)
    return "\n".join(said)


@pytest.mark.slow
def test_examples_of_the_documentation_have_no_error_of_types(tmp_path):
    files = {f"{page.parent.name}_{page.stem}.py": code_of(page) for page in PAGES}
    assert len(files) == len(PAGES) > 12
    assert checked(tmp_path, files) == []


@pytest.mark.slow
def test_a_wrong_use_of_each_kind_of_public_name_is_an_error(tmp_path):
    wrong = {
        "setting": "from embfeast.tricks import AnchorSimilarity\nAnchorSimilarity(anchor=3)",
        "type": "from embfeast.tricks import Whitener\nWhitener(strength='much')",
        "method": "from embfeast import Recipe\nRecipe({}).fitt([])",
        "view": "from embfeast.plugin import DuckDBSource\nDuckDBSource(databse='a')",
        "function": "from embfeast.repository import lookup\nlookup()",
    }
    found = checked(tmp_path, {f"{name}.py": code for name, code in wrong.items()})
    assert {one.split(".py")[0] for one in found} == wrong.keys()


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_an_editor_completes_a_public_name_and_shows_its_docstring(module, name):
    code = f"import {module} as package\npackage.{name}"
    script = jedi.Script(code)
    assert name in {one.name for one in script.complete(2, len("package.") + len(name) - 1)}
    (found,) = script.help(2, len(code.split("\n")[1]))
    assert len(found.docstring()) > 40
