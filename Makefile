# Everything that a developer or a newcomer does. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet
# A lock names all that there is, so pip has nothing to resolve: that takes half of its time.
LOCKED := install --no-deps --require-hashes -r

.DEFAULT_GOAL := help
.PHONY: help demo test coverage installation lint check fuzz soak bench peers reference pictures vendor lock clean

help: ## print this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## crawl a simulated organisation that changes meanwhile, and compare: about a minute; KEEP=1 keeps it
	@$(BIN)/pageturner demo $(if $(KEEP),--keep)

test: $(VENV)/.dev ## run all tests, on servers of their own
	@$(BIN)/python -m pytest

coverage: $(VENV)/.dev ## run all tests, and print which lines and branches none of them takes, in no process
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

installation: $(VENV)/.dev ## build the image and run docker-compose.yml, on a Docker engine
	@$(BIN)/python -m pytest -m installation --numprocesses=0 tests/installation

lint: $(VENV)/.dev ## run ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test ## lint and test: what must pass before a commit

fuzz: $(VENV)/.dev ## look for an input that a reader does not answer in its own words: SECONDS=60
	@$(BIN)/python -m tests.support.fuzzer $(or $(SECONDS),60)

soak: $(VENV)/.dev ## play seeded lives of the core on all cores, without end: FIRST=0
	@$(BIN)/python -m tests.simulation.soak $(or $(FIRST),0)

bench: $(VENV)/.dev ## measure a crawl against the ideal, and small locations beside big ones: minutes
	@$(BIN)/python bench/crawl.py
	@$(BIN)/python bench/many.py neighbours

peers: $(VENV)/.dev ## measure a crawl beside its peers, and write docs/benchmarks.md: twenty minutes
	@$(BIN)/python bench/beside.py --write

reference: $(VENV)/.dev ## write the documents that are made from the code
	@$(BIN)/python docs/reference.py

pictures: $(VENV)/.dev ## draw the pictures of the documents anew, in a browser
	@$(BIN)/python docs/pictures.py

vendor: $(BIN)/python ## bring the files of others that the console loads up to date, from npm
	@$(BIN)/python entrypoints/web/console/vendor.py

lock: $(VENV)/.run ## resolve the dependencies anew
	@$(BIN)/python $(PIP) install uv
	@for group in "requirements.lock" "requirements-dev.lock --group dev"; do \
	  set -- $$group; file=$$1; shift; \
	  $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --extra flower \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header "$$@" -o $$file; \
	done
	@echo openapi-python-client | $(BIN)/uv pip compile - --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements-client.lock

clean: ## remove the environment and all caches
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Pageturner needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing what Pageturner needs into $(VENV) …"
	@$(BIN)/python $(PIP) $(LOCKED) requirements.lock
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python $(PIP) check
	@touch $@

$(VENV)/.dev: $(VENV)/.run $(VENV)/.client requirements-dev.lock
	@echo "Installing what its tests need …"
	@$(BIN)/python $(PIP) $(LOCKED) requirements-dev.lock
	@$(BIN)/python $(PIP) check
	@touch $@

$(VENV)/.client: $(BIN)/python requirements-client.lock
	@$(BIN)/python -m venv $(VENV)/client
	@$(VENV)/client/bin/python $(PIP) $(LOCKED) requirements-client.lock --no-compile
	@touch $@
