from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from embfeast.tricks import LabelledNeighbours
from embfeast.tricks.parts import nearest as nearest_module
from embfeast.tricks.parts.nearest import nearest, unit
from embfeast.tricks.parts.occasions import owners_of

START = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = ["a", "b", "c"]


def day(number):
    return START + timedelta(days=number)


def features_by_loops(X, row, bank, k, classes):
    """What one row sees of (counted, place, vector, label) tuples, the plainest way."""
    one = unit(X)[row].astype(np.float64)
    ranked = sorted(
        (-float((one * vector.astype(np.float64)).sum()), counted, place, label)
        for counted, place, vector, label in bank
    )[:k]
    if not ranked:
        return [0.0] * len(classes) + [0.0, 1.0]
    shares = [np.mean([label == name for *_, label in ranked]) for name in classes]
    return [*shares, np.mean([-cosine for cosine, *_ in ranked]), 1 + ranked[0][0]]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 7),  # one of few vectors, so that there are ties
        st.sampled_from([None, *CLASSES]),
        st.integers(0, 9),  # day of the text
        st.one_of(st.none(), st.integers(0, 12)),  # day on which its label was known
    ),
    min_size=1,
    max_size=25,
).filter(lambda rows: any(row[1] for row in rows))
FEW = np.random.default_rng(5).normal(size=(8, 6)).astype(np.float32)


@given(rows=ROWS, k=st.integers(1, 5), lag=st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_each_row_sees_the_labels_that_counted_before_it_as_plain_loops_have_it(rows, k, lag):
    X = FEW[[row[0] for row in rows]]
    y = [row[1] for row in rows]
    times = [day(row[2]) for row in rows]
    known = [None if row[3] is None else day(row[3]) for row in rows]
    trick = LabelledNeighbours(k, rare=1, lag_days=lag)
    made = trick.fit_transform(X, y, times=times, known=known)
    classes = sorted({label for label in y if label})
    assert trick.labels_ == classes
    counted = [
        max(known[i] or datetime.min.replace(tzinfo=UTC), times[i] + timedelta(days=lag))
        for i in range(len(rows))
    ]
    for row in range(len(rows)):
        bank = [
            (counted[i], i, unit(X)[i], y[i])
            for i in range(len(rows))
            if y[i] and counted[i] < times[row] and i != row
        ]
        expected = features_by_loops(X, row, bank, k, classes)
        np.testing.assert_allclose(made[row], expected, atol=1e-6)


@pytest.mark.parametrize("search", ["exact", "approximate"])
@given(rows=ROWS, t=st.integers(0, 9), data=st.data())
@settings(max_examples=80, deadline=None)
def test_labels_known_from_a_moment_on_change_no_bit_of_an_earlier_row(search, rows, t, data):
    X, keys = FEW[[row[0] for row in rows]], [f"k{i}" for i in range(len(rows))]
    times = np.array([day(row[2]) for row in rows])
    known = np.array([day(max(row[2], row[3] or 0)) for row in rows])
    y = np.array([row[1] for row in rows], dtype=object)
    late = known >= day(t)
    made = [LabelledNeighbours(3, rare=1, search=search) for _ in range(2)]
    before = made[0].fit(X, y, times=times, known=known, keys=keys, as_of=day(20))
    changed = y.copy()
    changed[late] = [data.draw(st.sampled_from([None, *CLASSES])) for _ in range(late.sum())]
    # Two labels more, and a revision of the first key's text.
    X2 = np.vstack([X, FEW[:2]])
    y2 = np.append(changed, ["b", "c"])
    times2, known2 = np.append(times, [day(t)] * 2), np.append(known, [day(t), day(t + 1)])
    keys2 = [*keys, "new", keys[0]]
    after = made[1].fit(X2, y2, times=times2, known=known2, keys=keys2, as_of=day(20))
    early = [i for i in range(len(rows)) if times[i] <= day(t)]
    assume(early)
    asked = {"times": times[early], "keys": [keys[i] for i in early]}
    one = dict(zip(before._names(), before.transform(X[early], **asked).T, strict=True))
    other = dict(zip(after._names(), after.transform(X[early], **asked).T, strict=True))
    none = np.zeros(len(early), dtype=np.float32)  # a label that only the one or the other has
    for name in {*one, *other}:
        assert np.array_equal(one.get(name, none), other.get(name, none)), name


def test_neighbours_are_exact_whatever_the_blocks_and_the_order(monkeypatch):
    rng = np.random.default_rng(0)
    bank = unit(rng.normal(size=(900, 24)))
    bank[300:400] = bank[:100]
    X = unit(np.vstack([bank[250:350], rng.normal(size=(60, 24)), np.zeros((2, 24))]))
    limits = rng.integers(0, 901, size=len(X))
    hidden = np.stack([np.arange(100), np.arange(250, 350)], axis=1)
    whole = nearest(X, bank, 7, limits, hidden)
    for row in range(len(X)):
        seen = [j for j in range(limits[row]) if not (row < 100 and j == 250 + row)]
        exact = [float((X[row].astype(np.float64) * bank[j]).sum()) for j in seen]
        order = sorted(range(len(seen)), key=lambda i: (-exact[i], seen[i]))[:7]
        assert [p for p in whole[0][row] if p >= 0] == [seen[i] for i in order]
        own = np.array([[0, 250 + row]]) if row < 100 else None
        alone = nearest(X[row : row + 1], bank, 7, limits[row : row + 1], own)
        assert np.array_equal(alone[1][0], whole[1][row])
    monkeypatch.setattr(nearest_module, "ROWS", 33)
    monkeypatch.setattr(nearest_module, "COLUMNS", 50)
    again = nearest(X, bank, 7, limits, hidden)
    assert all(np.array_equal(a, b) for a, b in zip(again, whole, strict=True))


@pytest.mark.parametrize("weights", ["uniform", "similarity"])
@pytest.mark.parametrize("numbers", [False, True])
def test_a_row_has_the_same_bits_alone_and_from_restored_state(X, weights, numbers):
    y = X[:, 0] * 10 if numbers else np.where(X[:, 0] > 0, "up", "down")
    times = [day(i // 3) for i in range(600)]
    keys = [f"k{i}" for i in range(600)]
    trick = LabelledNeighbours(7, weights=weights).fit(X, y, times=times, keys=keys)
    together = trick.transform(X, times=times, keys=keys)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    copy = LabelledNeighbours(7, weights=weights)
    for name, value in vars(trick).items():
        if name.endswith("_"):
            assert not isinstance(value, np.ndarray) or value.dtype.kind in "fiub"
            setattr(copy, name, value)
    for row in (0, 5, 63, 599):
        alone = copy.transform(X[row : row + 1], times=times[row : row + 1], keys=[keys[row]])
        assert np.array_equal(alone[0], together[row])
    frame = trick.set_output(transform="pandas").transform(X[:2])
    assert list(frame.columns) == trick.get_feature_names_out().tolist()


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(1)
    X, y = FEW[rng.integers(8, size=60)], rng.choice(CLASSES, 60)
    times = [day(int(d)) for d in rng.integers(20, size=60)]
    keys = [f"key {i}" for i in range(60)]
    order = rng.permutation(60)
    made = LabelledNeighbours(4).fit_transform(X, y, times=times, keys=keys)
    other = LabelledNeighbours(4).fit_transform(
        X[order], y[order], times=[times[i] for i in order], keys=[keys[i] for i in order]
    )
    assert np.array_equal(made[order], other)


def test_a_key_has_one_label_at_the_newest_text_under_which_it_counts_first():
    X = np.eye(4, dtype=np.float32)
    trick = LabelledNeighbours(1, rare=1, outputs=("labels",))
    trick.fit(
        X,
        ["late", "late", "late", "new"],
        times=[day(0), day(2), day(5), day(3)],
        known=[day(4), day(4), day(4), day(6)],
        keys=["x", "x", "x", "y"],
    )
    assert trick.bank_.tolist() == [X[1].tolist(), X[3].tolist()]
    # No revision of x sees the label of x.
    made = trick.transform(X[:3], times=[day(9)] * 3, keys=["x"] * 3)
    assert made.tolist() == [[0.0, 1.0]] * 3


def test_the_same_key_is_the_same_owner_in_any_table():
    table = pa.table({"b": pa.array([1, 2], pa.int32()), "a": ["x", "y"]})
    other = pa.table({"a": ["x", "y"], "b": pa.array([1, 2], pa.int64())})
    assert owners_of(table, 2).tolist() == owners_of(other, 2).tolist()
    assert len(set(owners_of(["1", "11", "111"], 3).tolist())) == 3


def test_without_times_permuted_labels_help_no_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 8)).astype(np.float32)
    y = rng.choice(["a", "b"], 600)
    made = LabelledNeighbours(5).fit_transform(X, y)
    own = LabelledNeighbours(5).fit(X, y).transform(X)  # the bank holds the row itself
    score = cross_val_score(LogisticRegression(), made, y, cv=5).mean()
    assert abs(score - 0.5) < 0.07
    assert cross_val_score(LogisticRegression(), own, y, cv=5).mean() > 0.6


def test_numbers_give_mean_spread_and_quantiles():
    X = np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1]], dtype=np.float32)
    trick = LabelledNeighbours(3, quantiles=(0.0, 0.5, 1.0)).fit(X, [1.5, 2.5, 6.5, 100.0])
    names = [f"neighbour_{n}" for n in ("mean", "spread", "quantile_00", "quantile_50")]
    assert trick.get_feature_names_out().tolist()[:4] == names
    made = trick.transform(X[:1])[0]
    np.testing.assert_allclose(made[:5], [3.5, np.std([1.5, 2.5, 6.5]), 1.5, 2.5, 6.5], rtol=1e-6)
    nothing = trick.fit(X, [1.5, 2.5, 6.5, 9.5], times=[day(1)] * 4)
    assert nothing.transform(X[:1], times=[day(0)]).tolist() == [[0, 0, 0, 0, 0, 0, 1]]


def test_weights_by_similarity_let_the_nearest_count_most():
    X = np.array([[1, 0], [0.2, 1]], dtype=np.float32)
    trick = LabelledNeighbours(2, rare=1, weights="similarity", outputs=("labels",))
    shares = trick.fit(X, ["near", "far"]).transform(X[:1])[0]
    cosine = 0.2 / np.hypot(0.2, 1)
    np.testing.assert_allclose(shares, [cosine / (1 + cosine), 1 / (1 + cosine)], rtol=1e-6)
    assert trick.transform(-X[:1]).sum() == 1  # no cosine above 0: all count the same


def test_rare_labels_share_a_column_and_names_stay_distinct():
    X = FEW[np.arange(12) % 8]
    y = ["Late!"] * 5 + ["late"] * 5 + ["once", "twice"]
    trick = LabelledNeighbours(4).fit(X, y)
    names = ["neighbour_share_late", "neighbour_share_late_2", "neighbour_share_other"]
    assert trick.get_feature_names_out().tolist()[:3] == names
    np.testing.assert_allclose(trick.transform(X)[:, :3].sum(axis=1), 1, rtol=1e-6)
    assert trick.label_of([int(np.argmax(trick.values_))]) == ["(rare)"]


@pytest.mark.parametrize("vague", [False, True])
def test_cv_takes_few_neighbours_for_fine_labels_and_many_for_vague_ones(vague):
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 500)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    y = (angle * 10).astype(int) % 2 if not vague else (angle + 2 * rng.normal(size=500) > 1)
    trick = LabelledNeighbours("cv").fit(X, y)
    assert trick.curve_["k"] == [3, 5, 10, 15, 25, 50]
    assert trick.k_ == trick.curve_["k"][int(np.argmin(trick.curve_["loss"]))]
    assert (trick.k_ >= 25) == vague
    numbers = LabelledNeighbours("cv").fit(X, angle, times=[day(i) for i in range(500)])
    assert len(numbers.curve_["loss"]) == 6
    assert LabelledNeighbours("cv").fit(X[:2], y[:2]).k_ == 1


def test_one_class_and_more_neighbours_than_labels_are_defined():
    trick = LabelledNeighbours(50).fit(FEW, ["a"] * 8)
    assert np.array_equal(trick.transform(FEW)[:, 0], np.ones(8))
    assert np.isfinite(trick.transform(np.zeros((1, 6)))).all()


@pytest.mark.parametrize(
    ("y", "given", "message"),
    [
        (None, {}, "requires y to be passed"),
        ([None] * 8, {}, "none of 8 rows has a label; give labels"),
        (["a"] * 7, {}, "7 labels for 8 rows"),
        (["a"] * 8, {"times": [day(9)] * 8, "as_of": day(9)}, "that counts before 2026-01-10"),
        (["a"] * 8, {"times": [day(9)] * 7}, "times has 7 values for 8 rows"),
        (["a"] * 8, {"keys": ["k"] * 7}, "keys has 7 values for 8 rows"),
        ([np.inf, *[0.5] * 7], {}, "infinity"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_named(y, given, message):
    with pytest.raises(ValueError, match=message):
        LabelledNeighbours(target="number" if y and y[0] == np.inf else "auto").fit(FEW, y, **given)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n_neighbors": 0}, "at least 1"),
        ({"n_neighbors": "auto"}, "a number, cv"),
        ({"weights": "distance"}, "uniform, similarity"),
        ({"outputs": ("labels", "count")}, "labels, similarity, novelty"),
        ({"lag_days": -1}, "at least 0"),
        ({"quantiles": (1.5,)}, "between 0 and 1"),
        ({"search": "fast"}, "exact, approximate"),
        ({"target": "number"}, "of no numbers"),
    ],
)
def test_wrong_settings_list_the_valid_ones(setting, message):
    with pytest.raises(ValueError, match=message):
        LabelledNeighbours(**setting).fit(FEW, list("abcdabcd"))


def test_of_more_labels_a_draw_or_the_most_recent_are_kept():
    times = [day(i) for i in range(8)]
    recent = LabelledNeighbours(max_labels=3, keep="recent").fit(FEW, list("abcdefgh"), times=times)
    assert np.array_equal(recent.bank_, unit(FEW)[5:])
    drawn = [
        LabelledNeighbours(max_labels=3, random_state=seed).fit(FEW, list("abcdefgh")).bank_
        for seed in (0, 0, 1)
    ]
    assert len(drawn[0]) == 3
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_equal_texts_are_kept_only_as_often_as_they_can_be_neighbours():
    X = np.repeat(FEW[:2], 500, axis=0)
    trick = LabelledNeighbours(3).fit(X, ["a"] * 500 + ["b"] * 500)
    assert len(trick.bank_) == 8
    assert trick.transform(FEW[:2])[:, :2].tolist() == [[1, 0], [0, 1]]
