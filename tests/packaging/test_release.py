"""A release is refused where its files do not name the version; hosts' files fit their schemas."""

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


def test_a_version_that_is_named_everywhere_with_its_day_is_released():
    release.check("0.2.0", "0.2.0", "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n## 0.1.0")


@pytest.mark.parametrize(
    ("named", "changelog", "said"),
    [
        ("0.1.0", "## 0.2.0 (2026-12-01)\n", "__init__.py has version 0.1.0"),
        ("0.2.0", "## 0.2.0 (unreleased)\n", "unreleased"),
        ("0.2.0", "## 0.1.0 (2026-11-01)\n", "begins with '0.1.0"),
        ("0.2.0", "", "begins with None"),
    ],
)
def test_a_version_that_a_file_does_not_name_is_refused(named, changelog, said):
    with pytest.raises(EmbfeastError, match=said):
        release.check("0.2.0", named, changelog)
