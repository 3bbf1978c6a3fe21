# Two commands: `make book` and `make test`. Each makes the environment when it is missing or out of date,
# and does nothing twice. `make help` lists the rest.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
READY := $(VENV)/ready
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
EDITIONS ?=
PYTEST_WORKERS ?= 2
# Where torch is looked for too, such as https://download.pytorch.org/whl/cpu: on Linux the package index has CUDA's alone.
TORCH_INDEX ?=

# Two processes of one thread each are as fast as one of two, and steadier.
export OMP_NUM_THREADS ?= 1
# Python keeps what it has compiled, even where the surroundings say otherwise: a process starts in a third of the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# A `python3.12` on the PATH may be a shim that fails: only one that runs and says 3.11 to 3.14 is taken.
# PYTHON=/path/to/python chooses one by hand. Where uv is, it installs (and fetches a Python if there is none).
# The lock is complete: nothing is resolved. torch comes after it and by pip, whose settings say on many machines where
# the build for the CPU is (see requirements-torch.txt).
$(READY): pyproject.toml requirements.lock requirements-torch.txt
	@uv=$$(command -v uv); suits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; \
	makes="import venv, ensurepip; $$suits"; [ -z "$$uv" ] || makes=$$suits; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || ! $(BIN)/python -c "$$suits" 2>/dev/null; then \
	  found=; \
	  for python in $(PYTHON) python3.12 python3.11 python3.13 python3.14 python3 python \
	                "$$HOME"/.pyenv/versions/3.1[1-4].*/bin/python; do \
	    if "$$python" -c "$$makes" >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found$$uv" ]; then \
	    echo "No Python 3.11 to 3.14 with venv was found. Install one (on Debian: python3-venv), or uv," \
	         "or name it: make book PYTHON=/path/to/python3.12" >&2; exit 1; \
	  fi; \
	  echo "Making the environment in $(VENV) with $$([ -z "$$found" ] && echo uv || "$$found" --version)"; \
	  if [ -n "$$uv" ]; then "$$uv" venv --quiet --seed --clear --python "$${found:-3.12}" $(VENV); \
	  else "$$found" -m venv --clear $(VENV); fi || exit 1; \
	fi
	@echo "Installing the exact versions of requirements.lock (a few minutes, once)"
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --requirement requirements.lock; \
	else $(PIP) install -qq --no-compile --no-deps --require-hashes --requirement requirements.lock; fi
	@$(PIP) install -qq --no-compile --requirement requirements-torch.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@$(PIP) install -qq --no-compile --no-deps --no-build-isolation --editable .
	@$(PIP) check >/dev/null || { $(PIP) check; echo "requirements.lock is out of date: make lock" >&2; exit 1; }
	@touch $@

.PHONY: lock
lock: ## requirements.lock after a change of pyproject.toml (needs uv); UPGRADE=--upgrade takes the newest of everything
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-build $(UPGRADE) \
	  --constraint requirements-torch.txt --custom-compile-command "make lock" \
	  --output-file requirements.lock pyproject.toml

.PHONY: environment
environment: $(READY) ## the environment in .venv

.PHONY: book
book: $(READY) ## the site of the committed records; then train the demo edition, whose pages join
	@$(BIN)/netpress book $(if $(EDITIONS),--editions $(EDITIONS))

# By file: what the tests of a file share is made once. (xdist's groups have no effect with pytest 9.)
.PHONY: test
test: $(READY) ## the tests (under ten minutes)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow" $(PYTEST)

.PHONY: test-long
test-long: $(READY) ## every test, the long ones too
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --timeout 3600 $(PYTEST)

# What a change can break without anybody noticing at once: identity, records, rules, words, losses, editions
QUICK := $(addprefix tests/test_,$(addsuffix .py,atomic claims comparisons editions identity initialise losses printed \
  prune statistics tables triage words))

.PHONY: check
check: lint ## style, types, layers and the quickest tests (about a minute)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow" $(QUICK)

.PHONY: lint
lint: $(READY) ## style, types, and that imports go downwards
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache --no-logo

.PHONY: format
format: $(READY) ## lay out the code, and mend what ruff can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

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
