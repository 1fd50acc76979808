"""What holds for the repository as a whole."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "embfeast").rglob("*.py"))
# Formats in which data can be code.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib.load"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_package_reads_no_format_in_which_data_is_code(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not UNSAFE_MODULES & {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in UNSAFE_MODULES
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in UNSAFE_CALLS
            assert called not in {"yaml.load", "yaml.unsafe_load", "np.load", "torch.load"}


@pytest.mark.slow
@pytest.mark.no_cover  # a library's loops over each line take twice as long when lines are counted
def test_no_secret_is_in_the_repository():
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = SecretsCollection()
    with default_settings():
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                found.scan_file(str(ROOT / name))
    assert found.json() == {}
