"""What features are about."""

from feast import Entity, ValueType

OWNER = "support-ml"

ticket = Entity(
    name="ticket",
    join_keys=["ticket_id"],
    value_type=ValueType.INT64,
    description="A support ticket",
    owner=OWNER,
)
other_ticket = Entity(
    name="other_ticket",
    join_keys=["other_ticket_id"],
    value_type=ValueType.INT64,
    description="The second ticket of a pair",
    owner=OWNER,
)
customer = Entity(
    name="customer",
    join_keys=["customer_id"],
    value_type=ValueType.INT64,
    description="Who wrote a ticket",
    owner=OWNER,
)
