"""What `feast serve` loads before the first request: the recipe and its model."""

from pathlib import Path

from fastapi import FastAPI

from embfeast.plugin.serving import prepare


def load_artifacts(app: FastAPI) -> None:
    prepare(app, recipes=Path(__file__).parent / "data" / "recipes")
