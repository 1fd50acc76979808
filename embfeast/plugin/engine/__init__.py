"""The compute engine: chunks of texts to feature rows, for runs and pushes."""
