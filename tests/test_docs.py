"""The documentation is true: every code block runs, every link leads somewhere.

The blocks of a page run in order, in one folder of their own that holds `docs/reviews.csv`:
`python` in one namespace a page, `bash` with the package's commands on the path; `yaml` is read, as
a recipe where it has tricks. A block that cannot run stands behind a comment
`<!-- skip: next "why" -->`.
"""

import ast
import contextlib
import doctest
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from unittest import SkipTest

import pytest
import yaml
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from embfeast import Recipe

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "docs" / "quickstart.md"
GALLERY = ROOT / "docs" / "gallery.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BANKING = ROOT.parent / "shared" / "data" / "banking77_train.csv"  # not in the repository
# What a page says that needs the quick start's feature repository.
GOES_ON = "goes on where the [quick start](quickstart.md) ends"
RUN = {"python", "bash", "yaml"}
READ_ONLY = {"mermaid", "text", "json"}  # pictures and what a command prints
FEWEST_RUN = 0.75  # of all blocks
MOST_SECONDS = 900  # of one block

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def run_commands(example: Example) -> str | None:
    """Run a block in bash; what it printed is the failure's message."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", str(example.parsed)],
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = ran.communicate(timeout=MOST_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ran.pid, signal.SIGKILL)  # a server that the block left behind
    return None if ran.returncode == 0 else f"exit code {ran.returncode}\n{said[-4000:]}"


def read_yaml(example: Example) -> None:
    content = yaml.safe_load(str(example.parsed))
    if "tricks" in content:
        Recipe(content)


PARSERS = [
    SkipParser(),
    PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS),
    CodeBlockParser("bash", run_commands),
    CodeBlockParser("yaml", read_yaml),
]


def parse(page: Path) -> Document:
    document = Document.parse(str(page), *PARSERS)
    document.namespace["exists"] = os.path.exists  # a page may ask for data before it goes on
    return document


def run_page(page: Path, folder: Path) -> None:
    with contextlib.chdir(folder):
        for example in parse(page):
            with contextlib.suppress(SkipTest):
                example.evaluate()


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory) -> Path:
    """The folder in which the quick start was followed."""
    folder = tmp_path_factory.mktemp("quickstart")
    shutil.copy(ROOT / "docs" / "reviews.csv", folder)
    run_page(QUICKSTART, folder)
    return folder


@pytest.mark.slow
@every_page
def test_every_block_of_a_page_runs(page, tmp_path, request):
    goes_on = GOES_ON in " ".join(page.read_text(encoding="utf-8").split())
    if page == QUICKSTART or goes_on:
        shutil.copytree(request.getfixturevalue("quickstart"), tmp_path, dirs_exist_ok=True)
    shutil.copy(ROOT / "docs" / "reviews.csv", tmp_path)
    if page == GALLERY:
        (tmp_path / "gallery").mkdir()
        if BANKING.exists():
            shutil.copy(BANKING, tmp_path)
    if page != QUICKSTART:
        run_page(page, tmp_path)
    if page == GALLERY:
        for drawn in (tmp_path / "gallery").iterdir():
            assert words(drawn) == words(GALLERY.with_suffix("") / drawn.name), "make gallery"


def words(picture: Path) -> list[str]:
    """Return what is written in a picture, but numbers: those may differ by the processor."""
    written = re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text(encoding="utf-8"))
    return [text for text in written if not re.fullmatch(r"[-−\d.,%]+", text)]


def test_the_gallery_shows_each_picture_that_it_draws_and_no_other():
    said = GALLERY.read_text(encoding="utf-8")
    drawn = re.findall(r'\.save\("(gallery/[^"]+)"\)', said)
    assert drawn == re.findall(r"^!\[[^]]{20,}\]\((gallery/[^)]+)\)$", said, re.MULTILINE)
    assert len(drawn) == len(set(drawn)) >= 8
    kept = {path.name for path in GALLERY.with_suffix("").iterdir()}
    assert kept == {Path(picture).name for picture in drawn}


@every_page
def test_every_block_names_its_language_and_few_are_not_run(page):
    document = parse(page)
    fences = list(FencedCodeBlockLexer(".*")(Document(document.text, document.path)))
    assert {fence.lexemes["language"] for fence in fences} <= RUN | READ_ONLY
    assert document.text.count("```") == 2 * len(fences)


def test_few_blocks_are_not_run_and_each_has_its_reason():
    regions = [example.region for page in PAGES for example in parse(page)]
    skips = [region for region in regions if isinstance(region.parsed, tuple)]
    for skip in skips:
        action, reason = skip.parsed
        if action in ("start", "end"):  # run where data is that the repository has not
            assert action == "end" or f"not exists('{BANKING.name}')" in reason.replace('"', "'")
            continue
        assert action == "next"
        assert re.fullmatch(r'"[^"]{10,}"', reason or ""), "a skipped block needs its reason"
    assert len(skips) <= (1 - FEWEST_RUN) * (len(regions) - len(skips))


@every_page
def test_every_name_that_a_block_imports_from_us_is_there_though_the_block_is_not_run(page):
    document = Document(page.read_text(encoding="utf-8"), str(page))
    for fence in FencedCodeBlockLexer("python")(document):
        block = fence.lexemes["source"]
        prompted = [one.source for one in doctest.DocTestParser().get_examples(block)]
        for line in ast.walk(ast.parse("".join(prompted) or block)):
            if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("embfeast"):
                module = import_module(line.module)
                for name in line.names:
                    assert hasattr(module, name.name), f"{line.module} has no {name.name}"


@every_page
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        if page.name != "README.md":
            assert f"({page.relative_to(ROOT / 'docs')})" in index, page.name
