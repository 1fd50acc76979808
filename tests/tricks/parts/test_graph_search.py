"""LabelledNeighbours with an approximate search: which rows take it, and what it finds."""

import sys
from datetime import UTC, datetime, timedelta

import faiss
import numpy as np
import pytest

from embfeast import EmbfeastError
from embfeast.tricks import LabelledNeighbours
from embfeast.tricks.parts import graph_search
from embfeast.tricks.parts.graph_search import GraphSearch, build
from embfeast.tricks.parts.nearest import nearest, unit

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=50)


def around(rng, rows, dim=40, groups=30):
    """Texts lie in groups, as those of a table do."""
    middles = np.random.default_rng(99).normal(size=(groups, dim))
    group = rng.integers(groups, size=rows)
    return (middles[group] + 0.5 * rng.normal(size=(rows, dim))).astype(np.float32), group % 3


@pytest.fixture(scope="module")
def bank():
    return around(np.random.default_rng(0), 3_000)


@pytest.fixture(scope="module")
def new():
    return around(np.random.default_rng(1), 400)[0]


@pytest.fixture(scope="module")
def times():
    return [START + timedelta(minutes=20 * i) for i in range(3_000)]  # the last on day 41


@pytest.fixture(scope="module")
def keys():
    return [f"k{i}" for i in range(3_000)]


@pytest.fixture(scope="module")
def fitted(bank, times, keys):
    made = {}
    for search in ("exact", "approximate"):
        trick = LabelledNeighbours(10, search=search)
        made[search] = trick.fit(*bank, times=times, keys=keys, as_of=AS_OF)
    return made["exact"], made["approximate"]


def test_the_recall_is_measured_on_texts_that_the_graph_does_not_hold(fitted, new):
    exact, approximate = fitted
    curve = approximate.recall_curve_
    assert approximate.recall_ == curve["recall"][-1] >= graph_search.ENOUGH
    assert len(curve["width"]) == len(curve["recall"])
    assert approximate.remark == (
        f"the approximate search finds {approximate.recall_:.1%} of the nearest labels"
    )
    assert exact.remark == ""
    wanted, found = exact.neighbours(new)[0], approximate.neighbours(new)[0]
    shared = [len(np.intersect1d(*both)) / 10 for both in zip(wanted, found, strict=True)]
    assert abs(np.mean(shared) - approximate.recall_) < 0.01
    same = [row for row, share in enumerate(shared) if share == 1]
    assert np.array_equal(exact.transform(new)[same], approximate.transform(new)[same])


def test_rows_before_the_cutoff_are_searched_exactly_and_later_ones_as_live_texts_are(
    fitted, bank, times, keys, new
):
    exact, approximate = fitted
    training = exact.transform(bank[0], times=times, keys=keys)
    assert np.array_equal(training, approximate.transform(bank[0], times=times, keys=keys))
    moments = [AS_OF - timedelta(microseconds=1), AS_OF, AS_OF + timedelta(days=9)]
    before, *after = (
        approximate.transform(new, times=[one] * 400, keys=["another"] * 400) for one in moments
    )
    assert np.array_equal(before, exact.transform(new))
    live = approximate.transform(new)
    assert all(np.array_equal(one, live) for one in after)
    mixed = approximate.transform(new[:3], times=moments)
    assert np.array_equal(mixed, np.stack([before[0], live[1], live[2]]))


def test_without_a_cutoff_all_rows_with_times_are_searched_exactly(bank, times, keys):
    X, y, times, keys = bank[0][:400], bank[1][:400], times[:400], keys[:400]
    exact, other = (
        LabelledNeighbours(4, search=search).fit_transform(X, y, times=times, keys=keys)
        for search in ("exact", "approximate")
    )
    assert np.array_equal(exact, other)
    without = LabelledNeighbours(4, search="approximate").fit_transform(X, y, keys=keys)
    assert np.array_equal(LabelledNeighbours(4).fit_transform(X, y, keys=keys), without)


def test_a_later_revision_does_not_see_its_own_label(fitted, bank, keys):
    approximate = fitted[1]
    place = int(approximate.neighbours(bank[0][:1])[0][0, 0])
    assert np.array_equal(approximate.bank_[place], unit(bank[0][:1])[0])
    again = approximate.neighbours(bank[0][:1], times=[AS_OF], keys=keys[:1])[0]
    assert place not in again
    assert (again >= 0).all()


def test_a_row_has_the_same_bits_alone_and_from_restored_state(fitted, new):
    approximate = fitted[1]
    together = approximate.transform(new)
    copy = LabelledNeighbours(10, search="approximate")
    for name, value in vars(approximate).items():
        if name.endswith("_"):
            assert not isinstance(value, np.ndarray) or value.dtype.kind in "fiub"
            setattr(copy, name, value)
    for row in (0, 7, 399):
        assert np.array_equal(copy.transform(new[row : row + 1])[0], together[row])


def test_the_graph_and_what_it_finds_are_the_same_with_all_threads_and_instructions(bank, new):
    rows, asked = unit(bank[0]), unit(new)
    threads, level = faiss.omp_get_max_threads(), faiss.SIMDConfig.get_level()
    made = []
    try:
        for number in range(faiss.SIMDLevel_COUNT):
            try:
                faiss.SIMDConfig.set_level(number)
            except RuntimeError:  # not of this processor
                continue
            faiss.omp_set_num_threads(1 + len(made))
            graph, curve = build(rows, 10, 0)
            assert faiss.omp_get_max_threads() == 1 + len(made)
            found = GraphSearch(rows, graph).nearest(asked, 10, np.full(len(asked), -1))
            made.append((graph.tobytes(), curve, *(one.tobytes() for one in found)))
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.SIMDConfig.set_level(level)
    assert len(made) > 1
    assert all(one == made[0] for one in made)


@pytest.mark.parametrize("rows", [1, 2, 9, 60])
@pytest.mark.parametrize("same", [False, True])
def test_few_labels_and_equal_ones_are_all_found(rows, same):
    X = unit(np.random.default_rng(rows).normal(size=(rows, 5)))
    X = np.repeat(X[:1], rows, axis=0) if same else X
    graph, curve = build(X, 15, 0)
    assert curve["recall"] == [1.0]
    asked = unit(np.vstack([X, np.zeros((1, 5))]))
    found = GraphSearch(X, graph).nearest(asked, 15, np.full(len(asked), -1))
    exact = nearest(asked, X, 15)
    assert np.array_equal(found[1], exact[1])
    assert same or np.array_equal(found[0][:-1], exact[0][:-1])


def test_a_search_that_finds_too_little_is_warned_of(monkeypatch):
    monkeypatch.setattr(graph_search, "WIDTHS", (1,))
    monkeypatch.setattr(graph_search, "LINKS", 2)
    X = np.random.default_rng(0).normal(size=(2_000, 60))
    with pytest.warns(UserWarning, match=r"finds \d+\.\d% of the nearest labels; take search='ex"):
        trick = LabelledNeighbours(5, search="approximate").fit(X, ["a", "b"] * 1_000)
    assert trick.recall_ < 0.95


def test_a_fit_with_the_other_search_leaves_nothing_of_the_graph(bank):
    X, y = bank[0][:300], bank[1][:300]
    trick = LabelledNeighbours(3, search="approximate").fit(X, y)
    plain = LabelledNeighbours(3).fit(X, y)
    trick.transform(X)
    again = trick.set_params(search="exact").fit(X, y)
    assert vars(again).keys() == vars(plain).keys()


def test_faiss_that_is_not_installed_is_asked_for_by_name(monkeypatch, fitted, bank, new):
    saved = LabelledNeighbours(10, search="approximate")
    vars(saved).update({k: v for k, v in vars(fitted[1]).items() if k != "_graph"})
    monkeypatch.setitem(sys.modules, "faiss", None)
    asked = r"needs faiss, which is not installed here; pip install 'embfeast\[faiss\]', or take"
    with pytest.raises(EmbfeastError, match=asked):
        LabelledNeighbours(search="approximate").fit(*bank)
    with pytest.raises(EmbfeastError, match=asked):
        saved.transform(new)
    assert LabelledNeighbours().fit(*bank).transform(new).shape[0] == 400
