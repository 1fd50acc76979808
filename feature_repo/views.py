"""The views of the fitted recipe: run `scripts/fit.py` first, then `feast apply`."""

from pathlib import Path

from embfeast.plugin import feature_views, history_views, live_view, pair_view
from embfeast.recipe.versions import load_current
from entities import OWNER, customer, other_ticket, ticket
from sources import ticket_text_push

fitted = load_current(Path(__file__).parent / "data" / "recipes")
batch = feature_views(fitted, source=ticket_text_push, entity=ticket, owner=OWNER)
pairs = pair_view(fitted, batch, entity=ticket, other=other_ticket, owner=OWNER)
live = live_view(fitted, name="ticket", owner=OWNER)
histories = {}
if fitted.settings.entity_entries:  # a file of your own may not say who wrote: scripts/demo.py
    histories = history_views(fitted, batch, entity=customer, owner=OWNER)

# Feast finds views among a module's globals.
globals().update(batch | pairs | live | histories)
