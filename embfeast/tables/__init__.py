"""Feature tables: written, joined, searched and kept; nothing here knows Feast."""
