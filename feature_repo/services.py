"""What models ask for: one service a model."""

from feast import FeatureService

from entities import OWNER
from views import batch, live, pairs

served = [view for view in batch.values() if view.online]

triage = FeatureService(
    name="triage",
    features=served,
    description="Category and urgency of a stored ticket",
    owner=OWNER,
)
routing = FeatureService(
    name="routing",
    features=[batch["ticket_similarity"], batch["ticket_cluster"]],
    description="Which team a stored ticket is for: few numbers, each with a name",
    owner=OWNER,
)
triage_live = FeatureService(
    name="triage_live",
    features=list(live.values()),
    description="The same features for a text in the request",
    owner=OWNER,
)
duplicates = FeatureService(
    name="duplicates",
    features=[pairs["ticket_pair"]],
    description="Whether two stored tickets are about the same incident",
    owner=OWNER,
)
