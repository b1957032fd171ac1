# One door for developers: the same verbs at home and in CI. `make` alone lists them.
#
# Every verb makes what it needs (virtual environment, packages, compiled engine) and nothing twice: stamps in $(VENV)
# remember what is done. PYTHON chooses the interpreter, VENV the directory, ARGS is handed on to the command:
#     make test PYTHON=python3.13 VENV=.venv313 ARGS="-k cron -x"

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
JOBS ?= 100000
SECONDS ?= 10
MINUTES ?= 1
ROWS ?=
KILLS ?= 100

PY := $(VENV)/bin/python
SOURCES := $(shell find ext -name '*.pyx' -o -name '*.pxd' 2>/dev/null)
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
# The library and the packages of one extra, without compiling: `make build` alone compiles.
INSTALL := RAPSCHEDULER_NO_EXTENSIONS=1 $(PIP) --no-build-isolation --editable

.PHONY: help demo test build lint types pure fuzz bench docs clean soak sanitize dist kill-test

help:
	@echo "make demo      run 100,000 real schedules for ten seconds (JOBS=, SECONDS=)"
	@echo "make test      run the tests on the compiled engine (ARGS='-k cron')"
	@echo "make pure      run the tests on the reference engine, without compiling"
	@echo "make build     compile the engine in place"
	@echo "make lint      ruff format, ruff check"
	@echo "make types     mypy --strict"
	@echo "make fuzz      fuzz the triggers against independent oracles (MINUTES=)"
	@echo "make sanitize  unit and fuzz tests on an engine built with ASan and UBSan"
	@echo "make bench     the rows of docs/performance.md: target, ours, peer, ratio (ROWS=cron,parse)"
	@echo "make soak      a million jobs for ten minutes (MINUTES=10)"
	@echo "make kill-test SIGKILL for the scheduler, KILLS=100 times on SQLite and on PostgreSQL: what was lost, what was repeated"
	@echo "make docs      HTML documentation in build/docs"
	@echo "make dist      wheel and source distribution in dist/"
	@echo "make clean     remove everything these verbs made"

demo: $(VENV)/.demo $(VENV)/.build
	$(PY) -m rapscheduler demo --jobs $(JOBS) --seconds $(SECONDS) $(ARGS)

test: $(VENV)/.test $(VENV)/.build
	RAPSCHEDULER_ENGINE=compiled $(PY) -m pytest $(ARGS)

pure: $(VENV)/.test
	RAPSCHEDULER_ENGINE=reference $(PY) -m pytest $(ARGS)

build: $(VENV)/.build

lint: $(VENV)/.lint
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(VENV)/.dev
	$(PY) -m mypy

fuzz: $(VENV)/.test $(VENV)/.build
	$(PY) -m rapscheduler fuzz --minutes $(MINUTES) $(ARGS)

bench: $(VENV)/.bench $(VENV)/.build
	$(PY) -m benchmarks $(if $(ROWS),--rows $(ROWS)) $(ARGS)

soak: MINUTES = 10
soak: $(VENV)/.bench $(VENV)/.build
	$(PY) -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

kill-test: $(VENV)/.test $(VENV)/.build
	PYTHONPATH=src:. $(PY) -m tests.faults.kill --kills $(KILLS) --store sqlite $(ARGS)
	PYTHONPATH=src:. $(PY) -m tests.faults.kill --kills $(KILLS) --store postgresql $(ARGS)

docs: $(VENV)/.docs
	$(PY) -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "documentation: build/docs/index.html"

dist: $(VENV)/.dev
	rm -rf dist
	RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) -m build --outdir dist .

# A tree of its own, so that the engine in src/ stays as it is. Leaks are looked for by the leak test, not by ASan: the
# interpreter itself never frees its last objects.
sanitize: $(VENV)/.test
	RAPSCHEDULER_SANITIZE=1 RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) setup.py -q build --build-base build/sanitize --build-lib build/sanitize/lib
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc \
	PYTHONPATH=build/sanitize/lib RAPSCHEDULER_ENGINE=compiled \
	$(PY) -m pytest -o pythonpath="build/sanitize/lib ." -o timeout=900 -p no:cacheprovider $(if $(ARGS),$(ARGS),tests/unit/_engine tests/twins tests/fuzz)

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.so' -delete

# ---- what the verbs stand on -------------------------------------------------------------------------------------

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "$(PYTHON) is missing or older than 3.10. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv --quiet $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv; elsewhere: $(PYTHON) -m pip install virtualenv" >&2; exit 1; }
	$(PIP) "setuptools>=77" "cython>=3.1" wheel
	@touch $@

$(VENV)/.build: $(VENV)/.venv setup.py $(SOURCES)
	@$(PY) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { \
	  echo "Python.h is missing, so the engine can't be compiled. On Debian or Ubuntu: apt install python3-dev" >&2; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null || { \
	  echo "No C compiler found. On Debian or Ubuntu: apt install build-essential; on macOS: xcode-select --install" >&2; exit 1; }
	RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) setup.py -q build_ext --inplace --parallel 2
	@touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[demo]"
	@touch $@

$(VENV)/.test: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[test]"
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[bench]"
	@touch $@ $(VENV)/.demo $(VENV)/.test

$(VENV)/.docs: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[docs]"
	@touch $@

$(VENV)/.lint: $(VENV)/.venv pyproject.toml
	$(PIP) "ruff>=0.6"
	@touch $@

$(VENV)/.dev: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.demo $(VENV)/.test $(VENV)/.bench $(VENV)/.docs $(VENV)/.lint
