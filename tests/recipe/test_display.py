import re
from xml.etree import ElementTree

import pytest

from embfeast import Recipe

SETTINGS = {
    "name": "reviews",
    "tricks": {
        "pooled": {"trick": "token_pooler", "pooling": ["mean"]},
        "near": {"trick": "anchor_similarity", "anchors": {"a_concept": ["<b>bold</b> & 'so'"]}},
        "reduced": {"trick": "embedding_reducer", "n_components": 2},
        "pair": {"trick": "pair_interaction", "input": "reduced"},
        "both": {"trick": "join", "inputs": ["near", "reduced"], "online": False},
    },
}
TEXTS = ["The soup was cold", "A lovely evening", "We waited an hour", "The bill was wrong"]


@pytest.fixture(scope="module")
def fitted(encoder):
    return Recipe(SETTINGS).fit(TEXTS, encoder=encoder)


def tree(html):
    """Parse strictly: what is not escaped, or not closed, does not parse."""
    return ElementTree.fromstring(html.replace("<br>", "<br/>"))


def texts(html):
    return [part for part in tree(html).itertext() if part.strip()]


def test_a_fitted_recipe_shows_widths_digest_and_what_it_has_read(fitted):
    said = texts(fitted._repr_html_())
    assert fitted.digest[:12] in said
    assert any("fitted on 4 texts" in one for one in said)
    assert "embedding_reducer, 2 numbers" in said
    assert "anchor_similarity, 1 number" in said
    assert "pair_interaction, 8 numbers" in said


def test_an_unfitted_recipe_shows_what_reads_what():
    recipe = Recipe(SETTINGS)
    html = recipe._repr_html_()
    said = tree(html).find("svg").get("aria-label").split("; ")
    assert said == [
        "embedding reads texts",
        "pooled reads texts",
        "near reads embedding",
        "reduced reads embedding",
        "pair reads reduced",
        "both reads near",
        "both reads reduced",
    ]
    assert len(tree(html).findall(".//svg/path")) == len(said)
    assert "not fitted" in html
    assert any("(not online)" in one for one in texts(html))


def test_settings_are_shown_as_they_are_and_never_become_markup():
    html = Recipe(SETTINGS)._repr_html_()
    assert "<b>" not in html
    assert any("<b>bold</b> & 'so'" in one for one in texts(html))


def test_no_box_lies_on_another():
    boxes = tree(Recipe(SETTINGS)._repr_html_()).findall(".//rect")
    places = {(box.get("x"), box.get("y")) for box in boxes}
    assert len(places) == len(boxes) == 7


def test_only_the_notebooks_own_colour_is_used():
    html = Recipe(SETTINGS)._repr_html_()
    assert "currentColor" in html
    assert not re.search('"#|rgb|black|white', html)
