"""Online stores: one bulk writer a store, values, servers, and whose recipe made a value."""
