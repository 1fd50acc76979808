"""What models ask for: one service a model."""

from feast import FeatureService

from entities import OWNER
from views import batch, histories, live, pairs

# What a text has by itself, so that a model can be asked with a text alone.
served = [view for name, view in batch.items() if view.online and name != "ticket_history"]

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
if histories:
    triage_by_customer = FeatureService(
        name="triage_by_customer",
        features=[*served, batch["ticket_history"]],
        description="The same, and what the customer wrote before",
        owner=OWNER,
    )
    triage_by_customer_live = FeatureService(
        name="triage_by_customer_live",
        features=[*live.values(), histories["ticket_history_live"]],
        description="The same for a text in the request and who writes it",
        owner=OWNER,
    )
duplicates = FeatureService(
    name="duplicates",
    features=[pairs["ticket_pair"]],
    description="Whether two stored tickets are about the same incident",
    owner=OWNER,
)
