"""The whole job on a model behind a server: fit, materialize, look up, verify, doctor."""

import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.recipe.versions import save_version
from embfeast.repository import Repository, examine, fit_on_source, lookup, materialize, verify
from tests.encoding.embedding_server import KEY, serving_apart
from tests.small_repository import day

pytest.importorskip("openai")


@pytest.fixture
def server(tmp_path, monkeypatch):
    with serving_apart(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def repository(server, repo):
    """A repository whose recipe is fitted on the server's vectors, and applied."""
    settings = {
        "name": "reviews",
        "model": {"name": "tiny-embedding", "backend": "openai", "base_url": server.url},
        "tricks": {
            "embedding": {"trick": "embedding"},
            "similarity": {"trick": "anchor_similarity", "anchors": {"billing": "a wrong bill"}},
            "reduced": {"trick": "embedding_reducer", "n_components": 3},
            "pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 3},
        },
    }
    encoder = Repository(repo.store()).settings.encoder(Recipe(settings).settings.model)
    fitted = fit_on_source(
        Recipe(settings), repo.source, repo.path, ["review_id"], as_of=day(8), encoder=encoder
    )
    save_version(repo.recipes, fitted)
    return Repository(repo.apply(fitted))


def problems(findings):
    return [str(one) for one in findings if one.level == "broken"]


def of_the_model(repository):
    return [one for one in examine(repository) if one.check == "model"]


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_job(server, repository, repo):
    materialize(repository)
    assert problems(verify(repository, sample=None)) == []
    assert {one.level for one in of_the_model(repository)} == {"ok"}
    assert lookup(repository, {"review_id": 3}, "all")
    asked = [text for one in server.requests for text in one["input"]]
    texts = [text for text in asked if "Something about" in text]
    assert len(texts) == len(set(texts)), "a text was asked for twice"
    assert not [path for path, content in files_of(repo.path).items() if KEY.encode() in content]


def test_a_changed_model_is_refused_before_anything_is_written(server, repository, repo):
    server.seed = "another model"
    written = [repo.path / "data" / name for name in ("features", "cache")]
    before = [files_of(folder) for folder in written]
    with pytest.raises(EmbfeastError, match="has changed under its name"):
        materialize(repository)
    assert [files_of(folder) for folder in written] == before
    for findings in (of_the_model(repository), verify(repository)):
        assert any("has changed under its name" in one for one in problems(findings))
