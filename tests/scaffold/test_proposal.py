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


def test_labels_of_similar_texts_are_proposed_where_there_is_a_label(encoder):
    texts = [note(i) for i in range(20)]
    assert settings(propose(texts, encoder, label="kind"), "neighbours")["lag_days"] == 0
    assert "labelled_neighbours: no label is named" in propose(texts, encoder).left_out


def test_a_history_is_proposed_where_a_column_says_who_wrote(encoder):
    texts = [note(i) for i in range(20)]
    made = propose(texts, encoder, entity=("customer_id", "about 9 of them"))
    assert settings(made, "history")["entity"] == "customer_id"
    assert settings(made, "history")["input"] == "reduced"
    assert "history" not in [entry.name for entry in propose(texts, encoder).entries]


@pytest.mark.parametrize(
    ("text", "analyzer", "why"),
    [
        ("请求书 {} 不对，包裹还没有到，我要退款", "char", "which the model does not read"),
        ("part AX{} of BQ-77 and CZ{} is broken", "char_wb", "of the words have a digit"),
        ("late parcel {0:b}", "char_wb", "half of the texts have at most"),
    ],
)
def test_words_are_proposed_where_the_model_reads_little(encoder, text, analyzer, why):
    texts = [text.format(i, i) for i in range(100, 120)]
    if "{0:b}" in text:
        texts = [f"late {word}" for word in "abcdefghijklmnopqrst"]
    made = next(one for one in propose(texts, encoder).entries if one.name == "words")
    assert (made.settings[0].value, why in made.settings[0].why) == (analyzer, True)
    prose = [f"{note(i)}, which is more than four words" for i in range(20)]
    assert "words" not in [one.name for one in propose(prose, encoder).entries]


def test_names_of_labels_are_anchors_and_numbers_are_not(encoder):
    texts = [note(i) for i in range(20)]
    named = propose(texts, encoder, label="kind", labels=["too_warm", "dirty"])
    assert settings(named, "similarity")["anchors"]["too_warm"] == ["too warm"]
    numbers = propose(texts, encoder, label="stars", labels=["1", "2"])
    assert isinstance(settings(numbers, "similarity")["anchors"], int)
