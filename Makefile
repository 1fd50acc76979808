PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# DATA, TEXT and LABEL make the demo run on your own file.
DEMO_ARGS := $(if $(DATA),--data "$(DATA)") $(if $(TEXT),--text "$(TEXT)") $(if $(LABEL),--label "$(LABEL)")
# Two test files at a time, each file's tests in one process: they share what they open. The long
# ones begin (tests/conftest.py). Each process keeps to its core: two that both want two take a third
# longer. On all cores run the doctests, the main job on other Pythons, and what compares threads.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
ONE_CORE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 LOKY_MAX_CPU_COUNT=1

.PHONY: setup demo test test-python test-feast quick docs gallery release format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -m embfeast.encoding.prepare
	@touch $(READY)

demo: setup
	@$(BIN)/python scripts/demo.py $(DEMO_ARGS)

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(ONE_CORE) $(BIN)/pytest tests $(SIDE_BY_SIDE) $(COVERAGE)
	$(BIN)/pytest --doctest-modules embfeast -n 2

# The main job on another Python: make test-python VERSION=3.13
test-python: setup
	@$(BIN)/python scripts/other_versions.py python $(VERSION)

# The plugin's tests with another Feast: make test-feast VERSION=0.66.0
test-feast: setup
	@$(BIN)/python scripts/other_versions.py feast $(VERSION)

quick: setup
	$(ONE_CORE) $(BIN)/pytest tests $(SIDE_BY_SIDE) -m "not slow"

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

# The gallery's pictures, drawn by its own code.
gallery: setup
	$(BIN)/python scripts/gallery.py

release: setup
	$(BIN)/python scripts/release.py $(VERSION)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .environments feature_repo/data site dist .mypy_cache .ruff_cache .pytest_cache
