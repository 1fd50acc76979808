"""What Feast does not promise is used in one file of the package."""

import ast
import re
from pathlib import Path

import pytest

from embfeast.plugin import feast_compat

PACKAGE = Path(feast_compat.__file__).parents[1]
# Rooms that know no Feast: import-linter holds it.
WITHOUT_FEAST = {"storage.py", "encoding", "tricks", "recipe", "evaluation", "texts", "tables"}
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def own_names() -> set[str]:
    """Return every name that the package itself defines or assigns."""
    names = set()
    for node in (node for tree in TREES.values() for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(ast.Name("self"), name, ast.Store()):
                names.add(name)
    return names


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(tree: ast.AST, own: set[str]) -> list[str]:
    """Return what a module takes from others that their names call private."""
    taken = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=module) if module and module.split(".")[0] == "feast":
                taken += [name.name for name in node.names if is_private(name.name)]
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                taken.append(name)
            case ast.Constant(value=str(text)) if re.fullmatch(r"\w+OnlineStore", text):
                taken.append(text)
            case ast.Constant(value=str(text)) if text.startswith("feast.repo_config"):
                taken.append(text)  # a logger of Feast that is to be silenced
    return taken


@pytest.mark.parametrize(
    "planted",
    [
        "from feast.utils import _utc_now",
        "store._get_provider()",
        "store._read_features_per_fv = read",
        "ray._raylet",
        "kind == 'RedisOnlineStore'",
        "logging.getLogger('feast.repo_config')",
    ],
)
def test_a_planted_private_name_is_seen(planted):
    assert private_names(ast.parse(planted), own_names())


def test_no_other_file_uses_what_feast_calls_private():
    own = own_names()
    used = {
        str(path.relative_to(PACKAGE)): names
        for path, tree in TREES.items()
        if path != Path(feast_compat.__file__)
        and path.relative_to(PACKAGE).parts[0] not in WITHOUT_FEAST
        and (names := private_names(tree, own))
    }
    assert used == {}
