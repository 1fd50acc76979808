"""Export the default model ahead of its first use: ``python -m embfeast.encoding.prepare``."""

from embfeast.encoding.export import exported_model
from embfeast.encoding.model import DEFAULT_MODEL, resolve

if __name__ == "__main__":
    exported_model(resolve(DEFAULT_MODEL))
