from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast.tricks import EntityHistory

START = datetime(2026, 1, 1, tzinfo=UTC)
FEW = np.random.default_rng(5).normal(size=(8, 6)).astype(np.float32)
WINDOWS = (2, 5, None)


def day(number):
    return START + timedelta(days=number)


def history_by_loops(rows, own, half_life, last):
    """What one of (vector, entity, time, key) rows sees, the plainest way."""
    vector, entity, time, key = rows[own]
    newest = {}
    for one in rows:
        if one[1] is not None and one[2] < time and one[3] != key:
            held = newest.get(one[3])
            if held is None or one[2] >= held[2]:
                newest[one[3]] = one
    past = sorted((one for one in newest.values() if one[1] == entity), key=lambda one: one[2])
    past = [] if entity is None else past
    units = [one[0] / np.linalg.norm(one[0]) for one in past]
    ages = [(time - one[2]).total_seconds() / 86_400 for one in past]

    def mean(chosen, weights=None):
        some = [units[i] for i in chosen]
        return np.average(some, axis=0, weights=weights) if some else np.zeros(len(vector))

    everything = range(len(past))
    begins = past[-last:][0][2] if past else None
    means = [
        mean([i for i in everything if past[i][2] >= begins]),
        mean(everything, [0.5 ** (age / half_life) for age in ages]),
    ]
    counts = []
    for days in WINDOWS:
        inside = [i for i in everything if days is None or ages[i] <= days]
        counts.append(np.log1p(len(inside)))
        means.append(mean(inside))

    def cosine(a, b):
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return a @ b / length if length > 1e-7 else 0.0

    newest_ones = mean([i for i in everything if past[i][2] == past[-1][2]])
    spread = np.mean([np.square(one - means[-1]).sum() for one in units]) if past else 0.0
    return [
        *counts,
        np.log1p(ages[-1]) if past else -1.0,
        *[cosine(vector, one) for one in means],
        1 - cosine(vector, newest_ones),
        spread,
        *np.concatenate(means),
    ]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 7),  # one of few vectors
        st.sampled_from(["ann", "bob", None]),
        st.integers(0, 12),  # half days: equal times, and ages at the windows' edges
        st.integers(0, 6),  # few keys: texts are revised, and change hands
    ),
    min_size=1,
    max_size=25,
)


def made_of(rows, trick, keys=True):
    return trick.fit_transform(
        FEW[[row[0] for row in rows]],
        entities=[row[1] for row in rows],
        times=[day(row[2] / 2) for row in rows],
        keys=[row[3] for row in rows] if keys else None,
    )


@given(rows=ROWS, last=st.integers(1, 4), half_life=st.sampled_from([0.5, 3, 30]))
@settings(max_examples=150, deadline=None)
def test_each_row_sees_its_entitys_texts_before_it_as_plain_loops_have_it(rows, last, half_life):
    made = made_of(rows, EntityHistory(windows=WINDOWS, last=last, half_life=half_life))
    plain = [(FEW[v].astype(np.float64), entity, day(t / 2), key) for v, entity, t, key in rows]
    expected = [history_by_loops(plain, i, half_life, last) for i in range(len(rows))]
    np.testing.assert_allclose(made, expected, atol=2e-6)


@given(rows=ROWS, last=st.integers(1, 4), cut=st.integers(0, 12), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_no_bit_depends_on_later_texts_on_other_entities_or_on_the_order_of_rows(
    rows, last, cut, seed
):
    keys = [row[2:] for row in rows]
    rows = [row for i, row in enumerate(rows) if row[2:] not in keys[:i]]  # one text a key and time
    trick = EntityHistory(windows=WINDOWS, last=last)
    made = made_of(rows, trick)
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    assert np.array_equal(made_of([rows[i] for i in shuffled], trick), made[shuffled])
    early = [i for i, row in enumerate(rows) if row[2] <= cut]
    if early:
        assert np.array_equal(made_of([rows[i] for i in early], trick), made[early])
    alone = [i for i, row in enumerate(rows) if row[1] == "ann"]
    if alone:
        without_keys = made_of(rows, trick, keys=False)
        assert np.array_equal(
            made_of([rows[i] for i in alone], trick, keys=False), without_keys[alone]
        )


@given(rows=ROWS, asked=st.lists(st.integers(0, 24), max_size=6))
@settings(max_examples=80, deadline=None)
def test_rows_that_are_asked_for_among_others_have_the_same_bits(rows, asked):
    trick = EntityHistory(windows=WINDOWS).fit(FEW)
    wanted = np.isin(np.arange(len(rows)), asked)
    times = np.array([row[2] for row in rows]) * 43_200 * 10**6
    owners = np.array([row[3] for row in rows], dtype=np.uint64)
    entities = np.array([[None, "ann", "bob"].index(row[1]) for row in rows], dtype=np.uint64)
    X = FEW[[row[0] for row in rows]]
    whole = trick.transform_checked(X, times, owners, entities)
    made = trick.transform_checked(X, times, owners, entities, wanted)
    assert np.array_equal(made[wanted], whole[wanted])
    assert not made[~wanted].any()


def test_equal_times_do_not_see_each_other_in_whatever_zone_they_are_said():
    berlin = timezone(timedelta(hours=2))
    times = [day(1), day(1).astimezone(berlin), day(1) + timedelta(microseconds=1)]
    trick = EntityHistory(windows=(None,), outputs=("count",))
    made = trick.fit_transform(FEW[:3], entities=["ann"] * 3, times=times)
    assert np.expm1(made).round().ravel().tolist() == [0, 0, 2]


def test_a_window_holds_its_first_moment_and_not_its_last():
    trick = EntityHistory(windows=(7,), outputs=("count",))
    times = [day(0), day(7), day(7) + timedelta(microseconds=1)]
    made = trick.fit_transform(FEW[:3], entities=["ann"] * 3, times=times)
    assert np.expm1(made).round().ravel().tolist() == [0, 1, 1]


def test_what_was_counted_and_left_again_leaves_no_trace():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 4)).astype(np.float32)
    times = [day(i / 50) for i in range(1_999)] + [day(100)]
    trick = EntityHistory(windows=(7, 70), outputs=("count", "means"), last=1)
    made = trick.fit_transform(X, entities=["ann"] * 2_000, times=times)
    names = trick.get_feature_names_out().tolist()
    week = [i for i, name in enumerate(names) if "_7d" in name]
    assert (made[-1, week] == 0).all()
    recent = slice(1_500, None)  # of the last 70 days
    fresh = trick.fit_transform(X[recent], entities=["ann"] * 500, times=times[recent])
    months = [i for i, name in enumerate(names) if "_70d" in name]
    assert np.array_equal(made[-1, months], fresh[-1, months])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT])
def test_a_row_without_an_entity_or_a_time_has_no_past_and_is_in_none(missing):
    trick = EntityHistory(windows=(None,), outputs=("count", "days", "similarity", "change"))
    made = trick.fit_transform(
        FEW[:4], entities=["ann", missing, missing, "ann"], times=[day(i) for i in range(4)]
    )
    nothing = [0, -1, 0, 0, 0, 1]
    assert made[:3].tolist() == [nothing] * 3
    assert np.expm1(made[3, 0]).round() == 1
    timeless = trick.transform(FEW[:2], entities=["ann", "ann"], times=[None, day(1)])
    assert timeless.tolist() == [nothing] * 2
    assert trick.transform(FEW[:2]).tolist() == [nothing] * 2


def test_a_revision_takes_the_place_of_what_it_revises_and_is_no_past_of_its_own():
    trick = EntityHistory(windows=(None,), outputs=("count", "means"))
    made = trick.fit_transform(
        FEW[:3],
        entities=["ann"] * 3,
        times=[day(0), day(1), day(2)],
        keys=["first", "first", "second"],
    )
    assert np.expm1(made[:, 0]).round().tolist() == [0, 0, 1]
    own = FEW[1] / np.linalg.norm(FEW[1])
    np.testing.assert_allclose(made[2, -6:], own, atol=1e-6)


def test_the_work_for_a_text_does_not_grow_with_the_past(monkeypatch):
    from embfeast.tricks.parts.past import Past

    touched = []
    before = Past.before

    def counted(self, time):
        held = list(self._starts)
        seen = before(self, time)
        touched.append(sum(self._starts) - sum(held))
        return seen

    monkeypatch.setattr(Past, "before", counted)
    count = 3_000
    trick = EntityHistory(outputs=("count",))
    trick.fit_transform(
        np.ones((count, 2), np.float32),
        entities=["ann"] * count,
        times=[day(i / 10) for i in range(count)],
    )
    assert max(touched) <= 3  # a text enters each window once and leaves it once


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"windows": ()}, "has nothing"),
        ({"windows": (7, -1)}, "above 0"),
        ({"windows": (7, 7.0)}, "different"),
        ({"half_life": 0}, "half_life=0"),
        ({"last": 0}, "last=0"),
        ({"outputs": ("counts",)}, "choose from count, days"),
    ],
)
def test_wrong_settings_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        EntityHistory(**options).fit(FEW)


def test_entities_without_times_and_wrong_lengths_are_refused():
    with pytest.raises(ValueError, match="give times with entities"):
        EntityHistory().fit_transform(FEW, entities=["ann"] * 8)
    with pytest.raises(ValueError, match="values for 8 rows"):
        EntityHistory().fit_transform(FEW, entities=["ann"] * 7, times=[day(0)] * 8)


HALF_DAY = 43_200 * 10**6
NAMES = [None, "ann", "bob"]


def numbers(rows):
    """Rows of `ROWS` as `transform_checked` takes them, but for the vectors."""
    return {
        "times": np.array([row[2] for row in rows]) * HALF_DAY,
        "owners": np.array([row[3] + 100 for row in rows], dtype=np.uint64),
        "entities": np.array([NAMES.index(row[1]) for row in rows], dtype=np.uint64),
    }


def cut(trick, states):
    """States as columns by name."""
    columns = trick.states.columns
    ends = np.cumsum([column.width for column in columns])[:-1]
    names = [column.name for column in columns]
    return dict(zip(names, np.split(states, ends, axis=1), strict=True))


@given(
    rows=ROWS,
    asked=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["ann", "bob"])), min_size=1),
    last=st.integers(1, 4),
)
@settings(max_examples=100, deadline=None)
def test_a_state_is_what_plain_loops_see_right_after_the_moment(rows, asked, last):
    trick = EntityHistory(windows=WINDOWS, last=last, half_life=3).fit(FEW)
    made = trick.states_checked(
        FEW[[row[0] for row in rows]],
        **numbers(rows),
        at=np.array([moment for moment, _ in asked]) * HALF_DAY,
        of=np.array([NAMES.index(name) for _, name in asked], dtype=np.uint64),
    )
    state = cut(trick, made)
    plain = [(FEW[v].astype(np.float64), name, day(t / 2), key) for v, name, t, key in rows]
    for place, (moment, name) in enumerate(asked):
        own = (FEW[0].astype(np.float64), name, day(moment / 2) + timedelta(microseconds=1), "new")
        seen = history_by_loops([*plain, own], len(plain), 3, last)
        counts, (_, *_cosines, change, spread), means = seen[:3], seen[3:11], seen[11:]
        got = {column: values[place] for column, values in state.items()}
        names = ["history_state_count_2d", "history_state_count_5d", "history_state_count"]
        assert [got[n].item() for n in names] == np.expm1(counts).round().tolist()
        assert got["history_state_at"].item() == moment * HALF_DAY
        if counts[2]:
            since = timedelta(microseconds=got["history_state_last_text"].item())
            assert np.log1p((own[2] - day(0) - since) / timedelta(days=1)) == pytest.approx(seen[3])
        else:
            assert np.isnan(got["history_state_last_text"])
        np.testing.assert_allclose(got["history_state_spread"], spread, atol=1e-6)
        past = [
            f"history_state_mean{one}" for one in (f"_last_{last}", "_decayed", "_2d", "_5d", "")
        ]
        np.testing.assert_allclose(np.concatenate([got[n] for n in past]), means, atol=1e-6)
        newest, vector = got["history_state_mean_newest"], own[0]
        length = np.linalg.norm(newest) * np.linalg.norm(vector)
        cosine = newest @ vector / length if length > 1e-7 else 0.0
        assert 1 - cosine == pytest.approx(change, abs=1e-6)


@given(
    rows=ROWS, name=st.sampled_from(["ann", "bob"]), later=st.integers(1, 400), v=st.integers(0, 7)
)
@settings(max_examples=100, deadline=None)
def test_a_later_text_has_the_same_bits_against_the_state_as_among_the_texts(rows, name, later, v):
    trick = EntityHistory(windows=WINDOWS, last=2).fit(FEW)
    at = max(row[2] for row in rows)
    whole = [*rows, (v, name, at + later, 1_000)]
    among = trick.transform_checked(FEW[[row[0] for row in whole]], **numbers(whole))[-1:]
    of = np.array([NAMES.index(name)], dtype=np.uint64)
    state = trick.states_checked(
        FEW[[row[0] for row in rows]], **numbers(rows), at=np.array([at]) * HALF_DAY, of=of
    )
    moment = np.array([at + later]) * HALF_DAY
    against = trick.against_states(FEW[[v]], state, moment)
    lasting = trick.lasting
    assert np.array_equal(against[:, lasting], among[:, lasting])
    # The rest is of windows in days, which have moved on where half a year or so went by.
    names = trick.get_feature_names_out()
    assert {n.split("d_")[0].removesuffix("d") for n in names[~lasting]} <= {
        f"history_{kind}_{days}" for kind in ("log_count", "similarity", "mean") for days in (2, 5)
    }


def test_without_a_state_a_text_is_its_entitys_first():
    trick = EntityHistory(windows=WINDOWS).fit(FEW)
    nothing = np.full((8, trick.states.width), np.nan)
    against = trick.against_states(FEW, nothing, np.arange(8) * HALF_DAY)
    assert np.array_equal(against, trick.transform(FEW))
