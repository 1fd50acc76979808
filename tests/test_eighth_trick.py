"""A trick that the package does not know, planted by one line in the registry, runs through all."""

import numpy as np
import pytest
from feast import Entity, FeatureService, ValueType

from embfeast import EmbfeastError, FittedRecipe, Recipe
from embfeast.commands.console import open_repository
from embfeast.plugin import feature_views, live_view, pair_view
from embfeast.recipe.versions import load_current
from embfeast.report import Wanted, write_report
from embfeast.repository import lookup, verify
from embfeast.repository.sources import text_source
from embfeast.scaffold.proposal import propose
from embfeast.tricks.proposal import Proposed, Setting
from embfeast.tricks.registry import TRICKS
from embfeast.tricks.trick import VectorTrick
from tests.report.conftest import messages
from tests.report.repositories import PERIOD, make_repository

pytestmark = pytest.mark.slow

ENTRIES = {
    "embedding": {"trick": "embedding"},
    "extremes": {"trick": "extremes", "top": 2, "prefix": "e_"},
    "near": {"trick": "extremes", "kept": ["size"]},
    "joined": {"trick": "join", "inputs": ["embedding", "near"]},
}


class Extremes(VectorTrick):
    """Where a vector is largest, and its largest numbers, in shares of the training rows' own."""

    purpose = "the extremes of the embedding"
    scalars = True
    whole_numbers = ("place",)
    section = "a section that the report does not have"
    control = "shuffled extremes"

    @classmethod
    def propose(cls, sample):
        return Proposed("extremes", "Where vectors are largest.", [Setting("top", 3, sample.count)])

    def __init__(self, top: int = 1, *, kept: tuple[str, ...] = ("place", "size")) -> None:
        self.top = top
        self.kept = kept

    def fit(self, X, y=None, *, texts=None, previous=None):
        super().fit(X, y)
        self.longest_ = max(map(len, texts)) if texts is not None else 0
        self.fits_ = 1 if previous is None else previous.fits_ + 1
        return self

    def control_of(self, X, seed):
        return Extremes(self.top, kept=self.kept).fit(np.random.default_rng(seed).permuted(X))

    def groups(self, X):
        return np.asarray(X).argmax(axis=1) % 3

    def _fit(self, X, y):
        self.scale_ = float(np.abs(X).max())

    def _transform(self, X):
        sizes = np.sort(X, axis=1)[:, : -self.top - 1 : -1] / self.scale_
        blocks = {"place": X.argmax(axis=1)[:, None], "size": sizes}
        return np.hstack([blocks[one] for one in self.kept])

    def _names(self):
        names = {"place": ["place"], "size": [f"size_{i}" for i in range(self.top)]}
        return [name for one in self.kept for name in names[one]]


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setitem(TRICKS, "extremes", Extremes)


@pytest.fixture
def repo(tmp_path, encoder):
    return make_repository(tmp_path / "repo", messages(24), ENTRIES, label="topic", encoder=encoder)


def test_a_recipe_fits_saves_and_loads_it(tmp_path, encoder):
    texts = [text for text in messages(24)["text"] if text]
    recipe = Recipe({"tricks": ENTRIES})
    fitted = recipe.fit(texts, encoder=encoder)
    assert fitted.tricks["extremes"].longest_ == max(map(len, texts))
    assert recipe.fit(texts, encoder=encoder, previous=fitted).tricks["extremes"].fits_ == 2
    kinds = [(one.name, one.kind) for one in fitted.features("extremes")]
    assert kinds == [("e_place", "integer"), ("e_size_0", "float"), ("e_size_1", "float")]
    fitted.save(tmp_path / "fitted")
    again = FittedRecipe.load(tmp_path / "fitted")
    assert again.digest == fitted.digest
    assert again.transform([*texts, None]).equals(fitted.transform([*texts, None]))


def test_its_settings_are_checked_and_its_whole_numbers_kept_out_of_joins(encoder):
    with pytest.raises(EmbfeastError, match=r"unknown setting 'tops' of extremes.*'top'"):
        Recipe({"tricks": {"a": {"trick": "extremes", "tops": 2}}})
    joined = {"a": {"trick": "extremes"}, "b": {"trick": "join", "inputs": ["a"]}}
    with pytest.raises(EmbfeastError, match="'a' gives place, a number that names something"):
        Recipe({"tricks": joined}).fit(["one text", "another one"], encoder=encoder)


def test_it_is_applied_materialized_looked_up_and_verified(repo):
    fitted = load_current(repo / "data" / "recipes")
    message = Entity(name="message", join_keys=["message_id"], value_type=ValueType.INT64)
    views = feature_views(fitted, source=text_source(repo), entity=message)
    live = live_view(fitted, name="message")
    assert views["message_extremes"].description == "The extremes of the embedding"
    store = open_repository(repo).store
    stored = [view for name, view in views.items() if name != "message_text"]
    service = FeatureService(name="all", features=stored)
    asked = FeatureService(name="live", features=list(live.values()))
    store.apply([message, *views.values(), *live.values(), service, asked])
    store.materialize(*PERIOD)
    text = messages(24)["text"][3]
    wanted = {name: values[0] for name, values in fitted.values([text]).items()}
    of_key = lookup(store, {"message_id": "3"}, service="all")
    of_text = lookup(store, {"text": text}, service="live")
    for name in ("e_place", "e_size_0", "e_size_1", "size_0", "joined"):
        assert of_key[name] == of_text[name] == wanted[name]
    findings = verify(store)
    assert {one.view for one in findings} >= {"message_extremes", "message_joined"}
    assert [one for one in findings if not one.ok] == []


def test_evaluation_and_report_show_it(repo, tmp_path):
    page = write_report(
        open_repository(repo), text_source(repo), tmp_path / "report.html", Wanted(folds=2)
    )
    own = next(one for one in page.sections if one.title == "extremes")
    assert own.about == "The extremes of the embedding"
    assert [row[0] for row in own.parts[0].data.rows] == ["place", "size_0", "size_1"]
    helps = next(one for one in page.sections if one.title == "Which tricks help")
    compared = {row[0] for row in helps.parts[0].data.rows}
    assert {"extremes", "raw + extremes", "shuffled extremes for extremes"} <= compared
    drawn = next(one for one in page.sections if one.title == "Map of the texts")
    assert {"extremes", "near", "topic"} == set(drawn.parts[0].legends)


def test_init_proposes_it_with_its_reason(encoder):
    texts = [text for text in messages(40)["text"] if text]
    entry = next(one for one in propose(texts, encoder).entries if one.name == "extremes")
    assert (entry.trick, entry.settings[0].value) == ("extremes", 3)
    assert entry.settings[0].why.endswith("texts")


def test_two_texts_are_compared_by_a_trick_that_takes_pairs(repo, monkeypatch, encoder):
    class Both(Extremes):
        """The same of two vectors side by side."""

        takes = "pair"
        scalars = False

    monkeypatch.setitem(TRICKS, "both", Both)
    tricks = {"embedding": {"trick": "embedding"}, "pair": {"trick": "both", "top": 2}}
    texts = [text for text in messages(12)["text"] if text]
    fitted = Recipe({"tricks": tricks}).fit(texts, encoder=encoder)
    assert fitted.pair_entries == ["pair"]
    vectors = fitted.matrices(texts, ["embedding"])["embedding"]
    assert fitted.transform_pairs("pair", vectors[:5], vectors[5:10]).shape == (5, 3)
    one, other = (
        Entity(name=name, join_keys=[f"{prefix}message_id"], value_type=ValueType.INT64)
        for name, prefix in (("message", ""), ("other_message", "other_"))
    )
    views = feature_views(fitted, source=text_source(repo), entity=one)
    assert list(pair_view(fitted, views, entity=one, other=other)) == [
        "other_message_embedding",
        "message_pair",
    ]
