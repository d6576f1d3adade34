# `make` lists the targets. Each one makes its own .venv when there is none.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
SPHINX := $(RUN) -m sphinx -j1
PORT   ?= 8000

# small tensors are fastest on one thread; the tests run in two processes instead
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help html doctest test test-deep gallery zip serve lint format bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "layerref needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[docs,test,lint]'
	@touch $@

html: $(READY) ## build the site into _build/html, warnings are errors
	$(SPHINX) -n -W --keep-going -b html -d _build/doctrees docs _build/html
	@echo "The site is in _build/html; make serve shows it."

doctest: $(READY) ## run every statement of the reference with the torch that .venv holds
	@$(SPHINX) -q -t doctest -W --keep-going -b doctest -d _build/doctest/doctrees docs _build/doctest

test: html ## build the site, then run every test: package, rules, gallery, pages, browser
	$(RUN) -m pytest -n 2

test-deep: $(READY) ## the property tests with 2,000 fresh examples each
	HYPOTHESIS_PROFILE=deep $(RUN) -m pytest -n 2 -m property

bench: $(READY) ## time every layer against torch.nn, attention in detail (a quiet machine, minutes)
	$(RUN) tests/bench/layers.py
	$(RUN) tests/bench/attention.py

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

clean: ## remove what was built, keep .venv
	rm -rf _build dist docs/auto_gallery docs/sg_execution_times.rst .hypothesis .mypy_cache .pytest_cache .ruff_cache
