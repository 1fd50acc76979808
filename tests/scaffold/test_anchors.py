import pytest

from embfeast.scaffold.anchors import concepts


def test_label_names_become_phrases():
    phrases, _ = concepts(["card_arrival", "Where's my order?", "LostCard", "größe-falsch"])
    assert list(phrases.values()) == [
        ["card arrival"],
        ["where s my order"],
        ["lost card"],
        ["größe falsch"],
    ]


def test_names_that_differ_in_case_alone_are_one_concept():
    assert concepts(["Late", "late", "cold"])[0] == {"late": ["late"], "cold": ["cold"]}


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (["1", "2.5"], "a number"),
        (["a1", "a2"], "a number"),
        (["True", "False"], "no concepts"),
        (["only"], "fewer than two"),
        ([f"name {i}" for i in range(101)], "more than 100"),
    ],
)
def test_labels_that_name_nothing_give_a_reason(labels, why):
    phrases, said = concepts(labels)
    assert phrases == {}
    assert why in said
