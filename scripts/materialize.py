"""Materialize all tickets of the sample: `embfeast materialize --repo feature_repo`."""

from console import run_embfeast

if __name__ == "__main__":
    run_embfeast("materialize")
