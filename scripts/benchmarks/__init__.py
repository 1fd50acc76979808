"""One module a group of benchmarks; `scripts/benchmark.py` runs them."""
