"""A repository of states of entities, made once and copied for each test."""

import shutil

import pytest

from tests.small_repository import day


@pytest.fixture(scope="session")
def states_made(tmp_path_factory):
    from tests.plugin.engine.test_entity_states import SETTINGS, Stated, sample_rows

    repo = Stated(tmp_path_factory.mktemp("stated") / "repo")
    repo.write_texts(sample_rows())
    fitted = repo.fit(day(8), SETTINGS)
    repo.apply(fitted).materialize(day(-1), day(20))
    return repo, fitted


@pytest.fixture
def stated(states_made, tmp_path):
    repo, fitted = states_made
    copy = type(repo)(shutil.copytree(repo.path, tmp_path / "repo"))
    return copy, copy.store(), fitted
