"""States of entities brought up to date, after texts were taken out of the tables they follow."""

from embfeast.plugin.engine.commit import Commit
from embfeast.plugin.engine.entity_states import bring_states
from embfeast.repository.repository import Repository


def follow_texts(repository: Repository) -> None:
    """Bring the states of entities up to date with what is stored of their texts, online too."""
    config, store = repository.store.config, repository.store.provider.online_store
    for view in repository.state_views:
        commit = Commit(config, [view])
        recipe = repository.settings.recipe(repository.table(view).digest)
        brought = bring_states(commit, recipe, store)
        if brought.first is not None:
            commit.serve_period(store, brought.first, None)
