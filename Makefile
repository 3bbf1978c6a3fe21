# Two commands: `make book` and `make test`. Each makes the environment when it is missing or out of date,
# and does nothing twice. `make help` lists the rest.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
READY := $(VENV)/ready
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq --no-compile --constraint constraints.txt
SITE := _build/html
EDITIONS ?=
PYTEST_WORKERS ?= 2

# Two processes of one thread each are as fast as one of two, and steadier.
export OMP_NUM_THREADS ?= 1
# Python keeps what it has compiled, even where the surroundings say otherwise: a process starts in a third of the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# A `python3.12` on the PATH may be a shim that fails: only one that runs and says 3.11 or 3.12 is taken.
# PYTHON=/path/to/python chooses one by hand.
$(READY): pyproject.toml constraints.txt
	@suits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; \
	if ! $(BIN)/python -c "$$suits" 2>/dev/null; then \
	  found=; \
	  for python in $(PYTHON) python3.12 python3.11 python3 python "$$HOME"/.pyenv/versions/3.1[12].*/bin/python; do \
	    if "$$python" -c "$$suits" >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11 or 3.12 with venv was found. Install one (on Debian: python3.11-venv)," \
	         "or name it: make book PYTHON=/path/to/python3.12" >&2; exit 1; \
	  fi; \
	  echo "Making the environment in $(VENV) with $$("$$found" --version)"; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	@echo "Installing the exact versions of constraints.txt (a few minutes, once)"
	@# torch alone first: any other order may pull a second, larger build of it
	@$(PIP) "$$(grep -m 1 '^torch==' constraints.txt)"
	@$(PIP) --editable '.[book,cluster,export,dev]'
	@touch $@

.PHONY: environment
environment: $(READY) ## the environment in .venv

.PHONY: book
book: $(READY) ## train the demo edition, run the chapters, build the site
	@$(BIN)/netpress book $(if $(EDITIONS),--editions $(EDITIONS))
	@echo; echo "Open $(CURDIR)/$(SITE)/index.html in a browser,"
	@echo "or run: $(BIN)/python -m http.server --directory $(SITE) 8000   and go to http://localhost:8000"

# By file: what the tests of a file share is made once. (xdist's groups have no effect with pytest 9.)
.PHONY: test
test: $(READY) ## the tests (under ten minutes)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow" $(PYTEST)

.PHONY: test-long
test-long: $(READY) ## every test, the long ones too
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --timeout 3600 $(PYTEST)

.PHONY: lint
lint: $(READY) ## style, types, and that imports go downwards
	@$(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache --no-logo

.PHONY: lab
lab: $(READY) ## JupyterLab on the chapters
	@$(BIN)/jupyter lab --notebook-dir . chapters

.PHONY: pdf
pdf: book ## the whole book as one PDF (needs Chromium: make setup-browser)
	@$(BIN)/python -m netpress.book.pdf

.PHONY: setup-browser
setup-browser: $(READY) ## Chromium for the tests of the site
	@bash .ci/browser

.PHONY: clean
clean: ## what a build leaves (not the environment, not the records)
	@rm -rf _build .pytest_cache .mypy_cache .ruff_cache
