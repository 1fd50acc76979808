"""The page as a person meets it: in Chromium, with nothing but the file."""

import json
import math
import re
from itertools import combinations
from pathlib import Path

import altair as alt
import pytest
from playwright.sync_api import Page

from embfeast.report import charts
from embfeast.report.page import Page as Content
from embfeast.report.page import anchor, render
from embfeast.report.section import Figure, Section, Table
from tests.browser import Seen, barriers

DRAWN = "document.documentElement.dataset.drawn === 'true'"
MARKS = """() => [...document.querySelectorAll('.chart')].map((chart) => {
    const svg = chart.querySelector('svg');
    const box = svg ? svg.getBoundingClientRect() : { width: 0, height: 0 };
    const marks = svg ? svg.querySelectorAll('.mark-symbol path, .mark-rect path, ' +
        '.mark-line path, .mark-area path, .mark-rule line').length : 0;
    return { id: chart.id, width: box.width, height: box.height, marks };
})"""
CONTRASTS = """() => {
    const channels = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((c) => {
        const share = Number(c) / 255;
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const light = (color) => {
        const [r, g, b] = channels(color);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (color !== 'rgba(0, 0, 0, 0)') return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const found = [];
    const texts = 'p, td, th, dd, dt, h1, h2, h3, a, summary, button';
    for (const e of document.querySelectorAll(texts)) {
        found.push(ratio(light(getComputedStyle(e).color), light(behind(e))));
    }
    for (const e of document.querySelectorAll('.chart text')) {
        found.push(ratio(light(getComputedStyle(e).fill), light(behind(e.closest('figure')))));
    }
    return found;
}"""
# What the design asks of small text, by the Web Content Accessibility Guidelines.
READABLE = 4.5


def opened(page: Seen, report) -> Page:
    page.page.goto(report.as_uri())
    page.page.wait_for_function(DRAWN, timeout=60_000)
    return page.page


@pytest.mark.slow
def test_it_opens_without_errors_draws_every_figure_and_asks_for_nothing(page, whole_report):
    seen = opened(page, whole_report)
    charts = seen.evaluate(MARKS)
    assert len(charts) >= 15
    empty = [c for c in charts if c["width"] < 100 or c["height"] < 50 or not c["marks"]]
    assert not empty
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.slow
def test_it_has_a_section_for_every_trick_and_is_small(whole_report):
    said = whole_report.read_text(encoding="utf-8")
    titles = re.findall(r'<h2 id="h\d+">(.*?)</h2>', said)
    assert titles == [
        "At a glance", "Which tricks help", "Map of the texts", "similarity", "reduced", "cluster",
        "whitened", "pooled", "products", "pair", "Drift", "Stored features", "The recipe",
    ]  # fmt: skip
    assert len(said) < 5e6


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_in_light_and_in_dark(page, whole_report, scheme):
    page.page.emulate_media(color_scheme=scheme)
    seen = opened(page, whole_report)
    contrasts = seen.evaluate(CONTRASTS)
    assert len(contrasts) > 200
    assert min(contrasts) >= READABLE


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_core_finds_no_barrier(page, whole_report, scheme, width):
    page.page.emulate_media(color_scheme=scheme)
    page.page.set_viewport_size({"width": width, "height": 844})
    assert barriers(opened(page, whole_report)) == []


@pytest.mark.slow
def test_a_phone_needs_no_scrolling_sideways_and_no_figure_is_cut(page, whole_report):
    page.page.set_viewport_size({"width": 390, "height": 844})
    seen = opened(page, whole_report)
    assert seen.evaluate("document.documentElement.scrollWidth") == 390
    cut = "[...document.querySelectorAll('.chart')].filter((c) => c.scrollWidth > c.clientWidth)"
    assert seen.evaluate(f"{cut}.map((c) => c.id)") == []


@pytest.mark.slow
def test_the_map_is_coloured_by_another_group_with_the_keyboard_alone(page, whole_report):
    seen = opened(page, whole_report)
    colors = (
        "() => [...document.querySelectorAll('.chart')].find((c) => c.closest('figure')"
        ".querySelector('.legends')).querySelectorAll('.mark-symbol path').values()"
        ".map((p) => p.getAttribute('fill')).toArray()"
    )
    before = seen.evaluate(colors)
    seen.locator("input[type=radio]").first.focus()
    seen.keyboard.press("ArrowRight")
    seen.wait_for_function("document.querySelector('.legend:not([hidden])').dataset.by === '1'")
    seen.wait_for_timeout(300)
    after = seen.evaluate(colors)
    assert len(before) == len(after)
    assert before != after
    seen.locator(".legend:not([hidden]) button").first.focus()
    seen.keyboard.press("Enter")
    assert seen.locator(".legend button[aria-pressed=true]").count() == 1
    seen.wait_for_timeout(300)
    faint = "() => document.querySelectorAll('.chart .mark-symbol path[opacity=\"0.07\"]').length"
    assert 0 < seen.evaluate(faint) < len(after)


@pytest.mark.slow
def test_pointing_at_a_text_on_the_map_shows_it(page, whole_report):
    seen = opened(page, whole_report)
    chart = seen.locator("figure:has(.legends) .chart")
    chart.scroll_into_view_if_needed()
    chart.locator(".mark-symbol path").first.hover(force=True)
    tooltip = seen.locator("#vg-tooltip-element.visible")
    tooltip.wait_for(timeout=60_000)
    assert "number" in tooltip.inner_text()


@pytest.mark.slow
def test_hostile_texts_stay_texts(page, hostile_report):
    seen = opened(page, hostile_report)
    assert page.errors == []
    assert seen.evaluate("window.hacked") is None
    assert page.outside() == []
    assert seen.locator("img").count() == 0
    shown = seen.locator("main").inner_text()
    assert "<script>window.hacked" in shown
    assert "{{ 98765 * 43210 }}" in shown
    assert str(98765 * 43210) not in shown
    chart = seen.locator("figure:has(.legends) .chart")
    for place in range(0, chart.locator(".mark-symbol path").count(), 3):
        chart.locator(".mark-symbol path").nth(place).hover(force=True)
    assert seen.evaluate("window.hacked") is None


@pytest.mark.slow
def test_a_hostile_report_needs_no_scrolling_sideways_on_a_phone(page, hostile_report):
    page.page.set_viewport_size({"width": 390, "height": 844})
    seen = opened(page, hostile_report)
    assert seen.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.slow
def test_screen_readers_find_landmarks_headings_and_a_description_of_each_figure(
    page, whole_report
):
    seen = opened(page, whole_report)
    assert seen.locator("main").count() == seen.locator("nav").count() == 1
    assert seen.locator("h1").count() == 1
    figures = seen.locator("figure").count()
    assert seen.locator("figure details table").count() == figures
    described = (
        "[...document.querySelectorAll('.chart')]"
        ".map((c) => c.closest('[role=img]').getAttribute('aria-label'))"
    )
    assert all(len(text) > 30 for text in seen.evaluate(described))
    seen.keyboard.press("Tab")
    assert seen.evaluate("document.activeElement.className") == "skip"


@pytest.mark.slow
def test_print_is_light_and_as_wide_as_the_paper(page, whole_report):
    page.page.emulate_media(media="print", color_scheme="dark")
    page.page.set_viewport_size({"width": 700, "height": 900})
    seen = opened(page, whole_report)
    assert seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.evaluate("document.documentElement.scrollWidth") <= 700
    assert not seen.locator("nav").is_visible()


def test_rendering_escapes_what_users_wrote():
    hostile = "</script><b>&"
    table = Table(hostile, [hostile], [[hostile], [3], [[hostile]]], note=hostile)
    section = Section(hostile, hostile, [hostile], [table])
    said = render(Content(hostile, "today", [], [section], hostile))
    body = said[said.index("<body>") : said.index('<script type="application/json" id="config">')]
    assert hostile not in said
    assert "<b>" not in body
    assert "&lt;/script&gt;&lt;b&gt;&amp;" in body


def test_the_configuration_is_json_and_no_colour_is_fixed():
    said = render(Content("t", "today", [], [], "name: x"))
    config = re.search(r'id="config">(.*?)</script>', said, re.DOTALL)
    assert config is not None
    assert "#" not in json.dumps(json.loads(config.group(1)))


def test_titles_become_addresses():
    assert anchor("Größe & <b>") == "größe-b"


CUT = """() => [...document.querySelectorAll('.chart')].flatMap((chart) => {
    const place = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('svg text')].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.width && (box.left < place.left - 1 || box.right > place.right + 1);
    }).map((text) => `${chart.id}: ${text.textContent}`);
})"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_no_word_of_a_figure_is_cut_at_its_edge(page, whole_report, width):
    page.page.set_viewport_size({"width": width, "height": 844})
    assert opened(page, whole_report).evaluate(CUT) == []


@pytest.mark.slow
def test_a_long_name_beside_an_axis_is_whole_where_there_is_room(page, tmp_path):
    name = "neighbour_share_of_feature_requests"
    chart = charts.bars(
        {"name": [name, "b"], "value": [1, 2]}, alt.X("value:Q"), alt.Y("name:N"), []
    )
    figure = Figure("Bars", "Two bars.", charts.finished(chart), Table("Bars", ["name"], [[name]]))
    report = tmp_path / "report.html"
    report.write_text(render(Content("t", "today", [], [Section("Bars", parts=[figure])], "")))
    assert name in opened(page, report).locator(".chart").inner_text()
    page.page.set_viewport_size({"width": 390, "height": 844})
    assert "…" in opened(page, report).locator(".chart").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_a_text_from_right_to_left_runs_and_stands_so_and_those_beside_it_do_not(
    page, tmp_path, width
):
    table = Table("Texts", ["text"], [["لم يصل الطرد بعد"], ["包裹还没有到"], ["It is late"]])
    report = tmp_path / "report.html"
    report.write_text(render(Content("t", "today", [], [Section("Texts", parts=[table])], "")))
    page.page.set_viewport_size({"width": width, "height": 844})
    cells = opened(page, report).locator("td")
    assert cells.evaluate_all(
        "(all) => all.map((e) => [getComputedStyle(e).direction, getComputedStyle(e).textAlign])"
    ) == [["rtl", "start"], ["ltr", "start"], ["ltr", "start"]]


@pytest.mark.slow
def test_long_texts_of_a_table_are_within_a_phone_s_screen(page, whole_report):
    page.page.set_viewport_size({"width": 390, "height": 844})
    seen = opened(page, whole_report)
    out = (
        "[...document.querySelectorAll('.wide td')].filter((e) => "
        "e.getBoundingClientRect().right > 390).length"
    )
    assert seen.locator(".wide td").count() > 5
    assert seen.evaluate(out) == 0


@pytest.mark.slow
def test_the_verdict_of_the_evaluation_is_the_first_thing_said(whole_report):
    said = whole_report.read_text(encoding="utf-8")
    first = re.search(r"<main.*?<p[^>]*>(.*?)</p>", said, re.DOTALL)
    assert first is not None
    assert first.group(1).startswith("Use ")
    assert re.search(r"<h1>(.*?)</h1>", said).group(1) == "Text of messages"  # type: ignore[union-attr]


def test_no_two_colours_of_the_palette_are_near():
    style = (Path(charts.__file__).parent / "templates" / "style.css").read_text()
    for scheme in style.split("@media screen and (prefers-color-scheme: dark)", 1):
        found = dict(re.findall(r"--c(\d+): #(\w{6})", scheme)[: charts.OTHERS + 1])
        assert len(found) == charts.OTHERS + 1
        colors = [tuple(bytes.fromhex(color)) for color in found.values()]
        assert min(math.dist(a, b) for a, b in combinations(colors, 2)) > 40
