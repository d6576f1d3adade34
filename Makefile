# `make` lists the targets. Each one makes its own .venv when there is none.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps
SPHINX := $(RUN) -m sphinx -j1
PORT   ?= 8000

# small tensors are fastest on one thread; the tests run in two processes instead
export OMP_NUM_THREADS ?= 1
# the one date in what is built: that of the last commit, or, without git, that of the copyright
export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1767225600)

.DEFAULT_GOAL := help
.PHONY: help html site reproducible doctest test test-deep gallery serve lint format bench mutants pins lighthouse zip clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# By hash, wheels only. Of torch the CPU build, if pip finds one; else PyPI's.
$(READY): pyproject.toml .ci/requirements.txt .ci/torch-cpu.txt .ci/torch.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "layerref needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --requirement .ci/requirements.txt
	$(INSTALL) --require-hashes --requirement .ci/torch-cpu.txt 2>/dev/null || \
	$(INSTALL) --require-hashes --requirement .ci/torch.txt
	$(INSTALL) --no-build-isolation --editable .
	$(RUN) -m pip check
	@touch $@

html: $(READY) ## build the site into _build/html, warnings are errors
	$(SPHINX) -n -W --keep-going -b html -d _build/doctrees docs _build/html
	@echo "The site is in _build/html; make serve shows it."

site: html ## lay out _build/site, the folder that any static host serves
	$(RUN) .ci/lay_out.py

reproducible: $(READY) ## build the site twice from nothing and compare every file (minutes)
	$(RUN) .ci/reproducible.py

doctest: $(READY) ## run every statement of the reference with the torch that .venv holds
	@$(SPHINX) -q -t doctest -W --keep-going -b doctest -d _build/doctest/doctrees docs _build/doctest

test: html ## build the site, then run every test: package, rules, gallery, pages, browser
	$(RUN) -m pytest -n 2

test-deep: $(READY) ## the property tests with 2,000 fresh examples each
	HYPOTHESIS_PROFILE=deep $(RUN) -m pytest -n 2 -m property

bench: $(READY) ## time every layer against torch.nn, attention in detail (a quiet machine, hours)
	$(RUN) tests/bench/layers.py
	$(RUN) tests/bench/attention.py --threads 1
	$(RUN) tests/bench/attention.py --threads 2

mutants: $(READY) ## change the code bit by bit: does a doctest notice? (a quarter of an hour; then only what changed)
	nice $(RUN) tests/mutation/run.py

lighthouse: html ## ask Lighthouse for four pages, keep the scores (fetches it from npm, minutes)
	$(RUN) tests/lighthouse.py

gallery: html ## run the gallery scripts that changed and list their pages
	@find _build/html/auto_gallery -name 'plot_*.html' | sort

zip: html ## build the site and say where its zip for reading offline lies
	@ls _build/html/layerref-*.zip

serve: html ## show the site on a loopback address (PORT=8000)
	@echo "http://127.0.0.1:$(PORT)/  (Ctrl-C stops; another port: make serve PORT=8001)"
	@$(RUN) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lint: $(READY) ## check style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(READY) ## rewrite the sources in the house style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

pins: ## pin what pyproject.toml asks for, with hashes (all anew: make pins UV=--upgrade)
	$(PYTHON) -m venv _build/pins
	_build/pins/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	_build/pins/bin/python .ci/pins.py $(UV)

clean: ## remove what was built, keep .venv
	rm -rf _build dist docs/auto_gallery docs/sg_execution_times.rst .hypothesis .mypy_cache .pytest_cache .ruff_cache
