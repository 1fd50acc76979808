"""Fit the sample's recipe on the tickets before a cutoff: `embfeast fit --repo feature_repo`."""

from console import run_embfeast

if __name__ == "__main__":
    run_embfeast("fit")
