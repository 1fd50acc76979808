"""Is all well? Every promise verified, and what is wrong with a set-up."""
