"""The site as a person sees it: no dead link, search, a phone's width, light and dark."""

import functools
import os
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from tests.browser import barriers, browser, page  # noqa: F401

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # Not with --quiet, which does not count warnings.
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(
        mkdocs,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Links(HTMLParser):
    """The addresses that a page names, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [given[name] for name in ("href", "src") if given.get(name)]


def pages(site: Path) -> dict[str, Path]:
    files = (file for file in site.rglob("*.html") if file.name != "404.html")
    return {
        f"/{file.relative_to(site).as_posix()}".removesuffix("index.html"): file for file in files
    }


def test_no_link_is_dead(site):
    read = {path: Links(file.read_text(encoding="utf-8")) for path, file in pages(site).items()}
    assert len(read) > 25
    for path, content in read.items():
        for link in content.links:
            there, place = urldefrag(urljoin(f"http://site{path}", link))
            if not there.startswith("http://site/"):
                assert there.startswith(("https://", "mailto:")), (path, link)
                continue
            there = unquote(there.removeprefix("http://site"))
            assert there in read or (site / there[1:]).is_file(), (path, link)
            if place and there in read:
                assert unquote(place) in read[there].places | {"__skip"}, (path, link)


def test_every_public_name_is_in_the_reference(site):
    from embfeast import encoding, evaluation, plugin, repository, tricks

    places = Links((site / "reference" / "index.html").read_text(encoding="utf-8")).places
    for module in (encoding, evaluation, plugin, repository, tricks):
        for name in module.__all__:
            if name.isupper():
                continue  # a constant has no docstring
            named = getattr(getattr(module, name), "__name__", name)  # an alias is under its own
            ends = (f".{name}", f".{named}")
            assert any(place.endswith(ends) for place in places), (module.__name__, name)


def test_search_finds_a_page_and_nothing_is_asked_for_outside(page, address):  # noqa: F811
    page.page.goto(address)
    page.page.get_by_placeholder("Search").first.click()
    page.page.keyboard.type("erasure requests")
    found = page.page.locator(".md-search-result__link", has_text="Erasure").first
    found.click()
    page.page.wait_for_url("**/erasure/**")
    assert page.errors == []
    assert page.outside() == []


def test_every_page_fits_a_phone(page, site, address):  # noqa: F811
    page.page.set_viewport_size({"width": 390, "height": 800})
    for path in pages(site):
        page.page.goto(urljoin(address, path), wait_until="domcontentloaded")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 390, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page, address, scheme):  # noqa: F811
    page.page.emulate_media(color_scheme=scheme)
    page.page.goto(address)
    ground, text = page.page.evaluate(
        """() => {
            const paint = document.createElement("canvas").getContext("2d");
            const bright = (colour) => {
                paint.fillStyle = ground; paint.fillRect(0, 0, 1, 1);
                paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
                const [r, g, b] = paint.getImageData(0, 0, 1, 1).data;
                return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
            };
            const ground = getComputedStyle(document.body).backgroundColor;
            const text = document.querySelector("article p");
            return [bright(ground), bright(getComputedStyle(text).color)];
        }"""
    )
    assert (ground > 0.8) if scheme == "light" else (ground < 0.2)
    assert abs(ground - text) > 0.5


# The schemes differ in colours alone: in the second, the rules about them.
OF_COLOURS = ("color-contrast", "link-in-text-block")


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", OF_COLOURS)])
def test_axe_core_finds_no_barrier_on_any_page(page, site, address, scheme, rules):  # noqa: F811
    page.page.emulate_media(color_scheme=scheme)
    found = {}
    for path in pages(site):
        page.page.goto(urljoin(address, path))
        found[path] = barriers(page.page, rules)
    assert not {path: said for path, said in found.items() if said}
