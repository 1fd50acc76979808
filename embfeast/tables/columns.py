"""The columns that every feature table has beside its keys and features."""

from embfeast.moments import MOMENT

__all__ = ["CREATED_TIME", "EVENT_TIME", "MOMENT"]
EVENT_TIME = "event_timestamp"
CREATED_TIME = "created_timestamp"
# SHA-256 of the text that a row was computed from, of no bytes where it is missing or blank; null
# where the text is not known, as in tables that were taken over. Not a feature: no list of a view's
# features names it.
TEXT_DIGEST = "embfeast_text_sha256"
# In tables of what entities wrote before: who wrote the text, as text, and the vector that later
# texts are compared with. There the digest above goes on with that of what was written before.
ENTITY = "embfeast_entity"
ENTITY_VECTOR = "embfeast_entity_vector"
OWN_COLUMNS = (TEXT_DIGEST, ENTITY, ENTITY_VECTOR)
