PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# DATA, TEXT and LABEL make the demo run on your own file.
DEMO_ARGS := $(if $(DATA),--data "$(DATA)") $(if $(TEXT),--text "$(TEXT)") $(if $(LABEL),--label "$(LABEL)")

.PHONY: setup demo test quick docs format clean

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
	$(BIN)/mypy
	$(BIN)/pytest tests
	$(BIN)/pytest --doctest-modules embfeast

quick: setup
	$(BIN)/pytest tests -m "not slow"

docs: setup
	@$(BIN)/python scripts/reference.py docs/reference

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) feature_repo/data docs/reference .mypy_cache .ruff_cache .pytest_cache
