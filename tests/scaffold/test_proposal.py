import pytest

from embfeast.recipe import Recipe
from embfeast.scaffold.proposal import propose
from tests.scaffold.conftest import note


def settings(proposal, entry):
    found = next(one for one in proposal.entries if one.name == entry)
    return {setting.name: setting.value for setting in found.settings}


@pytest.mark.parametrize("count", [10, 24, 60])
def test_what_is_proposed_for_few_texts_can_be_fitted_on_them(encoder, count):
    texts = [note(i) for i in range(count)]
    made = propose(texts, encoder, pairs=True)
    tricks = {
        entry.name: {"trick": entry.trick, **{s.name: s.value for s in entry.settings}}
        for entry in made.entries
    }
    assert Recipe({"tricks": tricks}).fit(texts, encoder=encoder).record.rows == count
    assert settings(made, "reduced")["n_components"] <= count // 4


def test_names_of_labels_are_anchors_and_numbers_are_not(encoder):
    texts = [note(i) for i in range(20)]
    named = propose(texts, encoder, label="kind", labels=["too_warm", "dirty"])
    assert settings(named, "similarity")["anchors"]["too_warm"] == ["too warm"]
    numbers = propose(texts, encoder, label="stars", labels=["1", "2"])
    assert isinstance(settings(numbers, "similarity")["anchors"], int)
