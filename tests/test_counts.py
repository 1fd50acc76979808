"""Counts of what the package has done."""

from concurrent.futures import ThreadPoolExecutor

from embfeast import counts


def test_counts_add_up_from_many_threads_and_listeners_hear_each_but_nought(monkeypatch):
    heard = []
    monkeypatch.setattr(counts, "_listeners", [])
    counts.listen(lambda name, number: heard.append((name, number)))
    before = counts.totals()["null_texts"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counts.add("null_texts", 2), range(200)))
    counts.add("null_texts", 0)
    assert counts.totals()["null_texts"] - before == 400
    assert heard == [("null_texts", 2)] * 200
