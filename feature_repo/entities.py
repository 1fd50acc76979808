"""What features are about."""

from feast import Entity, ValueType

ticket = Entity(
    name="ticket",
    join_keys=["ticket_id"],
    value_type=ValueType.INT64,
    description="A support ticket",
)
other_ticket = Entity(
    name="other_ticket",
    join_keys=["other_ticket_id"],
    value_type=ValueType.INT64,
    description="The second ticket of a pair",
)
customer = Entity(
    name="customer",
    join_keys=["customer_id"],
    value_type=ValueType.INT64,
    description="Who wrote a ticket",
)
