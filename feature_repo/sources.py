"""Where the texts lie."""

from feast import PushSource

from embfeast.plugin import DuckDBSource
from entities import OWNER

tickets = DuckDBSource(
    name="tickets",
    database="data/tickets.duckdb",
    table="tickets",
    text_columns=["subject", "body"],
    timestamp_field="event_timestamp",
    created_timestamp_column="created_timestamp",
    key_columns="ticket_id",
    label_column="filed_as",
    label_known_column="filed_at",  # days after the text: a label counts from then on
    description="Support tickets, one row a revision",
    owner=OWNER,
)
ticket_text_push = PushSource(
    name="ticket_text_push",
    batch_source=tickets,
    description="Tickets as they come in: features at once, without a batch run",
    owner="support-ml",
)
