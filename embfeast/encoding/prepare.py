"""Export the default model ahead of its first use: ``python -m embfeast.encoding.prepare``."""

from embfeast.encoding.backend import open_backend
from embfeast.encoding.model import resolve
from embfeast.encoding.settings import DEFAULT_MODEL

if __name__ == "__main__":
    open_backend("onnx", resolve(DEFAULT_MODEL), None)
