# Two commands set up everything: `make demo` (the main job, offline after installation) and
# `make test`. PHOTOS=folder runs the demo on real labelled photos instead of drawn ones.
SHELL := /bin/bash
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3.14 python3 2>/dev/null))
VENV ?= .venv
OUT ?= demo-run
QUICK ?=
COMMA := ,
PHOTOS ?=
# For machines without a GPU: TORCH_INDEX=https://download.pytorch.org/whl/cpu saves 5 GB.
TORCH_INDEX ?=
BIN := $(VENV)/bin
export RETICULATE_PYTHON = $(CURDIR)/$(BIN)/python
R_PACKAGES := $(shell cat tools/r-packages.txt)

.PHONY: demo test test-slow docs bench trust supply audit lint test-python test-r check-r dist clean r-packages browser

demo: $(VENV)/.demo
	$(BIN)/lucas-habitat demo --out "$(OUT)" $(if $(PHOTOS),--photos "$(PHOTOS)")
	@tools/install-r.sh r-base-core r-cran-reticulate r-cran-jsonlite
	@tools/with-r.sh tools/demo-r.sh "$(OUT)" $(if $(PHOTOS),"$(PHOTOS)")

test: lint test-python test-r check-r

# What takes minutes; run it before calling an issue done that it concerns.
test-slow: $(VENV)/.dev
	$(BIN)/pytest -m slow
	LUCAS_TEST_SIGNALS=true tools/with-r.sh Rscript tools/test-r.R interrupt
	LUCAS_TEST_SLOW=true tools/with-r.sh Rscript tools/test-r.R "classify|cluster"

# The site of documentation, into site/: runs every code block of its pages, offline. Without make: python -m tools.docs.
docs: $(VENV)/.dev
	$(BIN)/python -m tools.docs

# Speed, beside others' (benchmarks/README.md), ten minutes on two quiet cores, QUICK=1 two. TensorFlow is for the comparison.
bench: $(VENV)/.demo
	$(BIN)/pip install --quiet --editable ".[offline$(if $(QUICK),,$(COMMA)bench)]"
	$(BIN)/python benchmarks/speed.py $(if $(QUICK),--quick)

# The simulations behind docs/trust.md: less than half an hour on two cores.
trust: $(VENV)/.demo
	$(BIN)/python benchmarks/trust/run.py

# What the package rests on: a lock with hashes, licences, and an SBOM.
supply: $(VENV)/.dev
	$(BIN)/python tools/supply.py lock licences sbom

# Known holes of what the lock names; fails too where a package could not be asked for.
audit: $(VENV)/.dev
	$(BIN)/pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Two at a time, file by file: most tests keep one core busy.
test-python: $(VENV)/.dev
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-r: $(VENV)/.dev r-packages
	tools/with-r.sh Rscript tools/test-r.R
	tools/with-r.sh tools/test-workflow.sh

check-r: $(VENV)/.dev r-packages
	tools/with-r.sh tools/check-r.sh

# Wheel, sdist, and an R source package that carries the wheel. Without make: python -m tools.dist.
dist:
	$(PYTHON) -m tools.dist

r-packages:
	@tools/install-r.sh $(R_PACKAGES)

# The page is tested in a real browser.
browser:
	@tools/install-r.sh chromium chromium-driver

$(VENV)/bin/python:
	@tools/make-venv.sh "$(PYTHON)" "$(VENV)"

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@if [ -n "$(TORCH_INDEX)" ]; then $(BIN)/pip install --quiet torch torchvision --index-url "$(TORCH_INDEX)"; fi
	$(BIN)/pip install --quiet --editable ".[offline]"
	@touch $@

# Debian 12's R 4.2 lacks symbols that newer rpy2-rinterface asks for.
$(VENV)/.dev: $(VENV)/.demo | r-packages browser
	$(BIN)/pip install --quiet --editable ".[offline,dev]" \
	  $$(command -v R >/dev/null && echo "rpy2>=3.5 rpy2-rinterface<=3.6.5")
	@touch $@

clean:
	rm -rf build dist site *.Rcheck lucashabitat_*.tar.gz "$(OUT)" python/*.egg-info
