"""A release is named in its files, with its day and changes; hosts' files fit their schemas."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embfeast import EmbfeastError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import release  # noqa: E402

SCHEMAS = {
    "vendor.github-workflows": ".github/workflows/*",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/w*.yaml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "vendor.citation-file-format": "CITATION.cff",
}


@pytest.mark.parametrize(("schema", "files"), SCHEMAS.items())
def test_files_for_hosts_fit_their_schemas(schema, files):
    paths = sorted(ROOT.glob(files))
    assert paths
    program = Path(sys.executable).with_name("check-jsonschema")
    ran = subprocess.run(
        [program, "--builtin-schema", schema, *paths], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout


@pytest.fixture
def project(tmp_path):
    """A project of the same settings under git, whose changes are collected."""
    (tmp_path / "embfeast").mkdir()
    (tmp_path / "changelog.d").mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "embfeast" / "__init__.py").write_text('"""Text."""\n\n__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n<!-- releases -->\n\n## 0.1.0\n")
    (tmp_path / "changelog.d" / "+azure.added.md").write_text("Tables on Azure.\n")
    (tmp_path / "changelog.d" / "+keys.fixed.md").write_text("Keys of two types.\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_release_is_named_in_the_package_and_its_changes_are_collected_once(project):
    for _ in range(2):  # a build that failed is tried again
        release.name("0.2.0", project)
        assert '\n__version__ = "0.2.0"\n' in (project / "embfeast" / "__init__.py").read_text()
        said = (project / "CHANGELOG.md").read_text()
        assert said.count("## 0.2.0 (20") == 1
        assert said.index("- Tables on Azure.") < said.index("- Keys of two types.")
        assert said.index("- Keys of two types.") < said.index("## 0.1.0")
        assert not [*(project / "changelog.d").glob("*.md")]


def test_a_release_without_a_change_is_refused(project):
    for file in (project / "changelog.d").glob("*.md"):
        file.unlink()
    with pytest.raises(EmbfeastError, match="holds no change; write one"):
        release.name("0.2.0", project)
    # A heading without the day was not made by a release.
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0 (unreleased)\n")
    with pytest.raises(EmbfeastError, match="holds no change; write one"):
        release.name("0.2.0", project)


def test_a_version_that_is_not_one_of_a_release_is_refused():
    with pytest.raises(EmbfeastError, match=r"write it as 0\.2\.0"):
        release.main("next")


def test_every_change_of_this_project_is_of_a_known_kind():
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for file in (ROOT / "changelog.d").glob("*.md"):
        first = file.read_text(encoding="utf-8").splitlines()[0]
        assert first in ran.stdout, file
