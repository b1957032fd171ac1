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
BASE ?=
KILLS ?= 100
# Processes that tests run in: twice the cores, for most of them wait for servers and clocks.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
STORES ?= sqlite postgresql mariadb redis zookeeper etcd

PY := $(VENV)/bin/python
SOURCES := $(shell find ext -name '*.pyx' -o -name '*.pxd' 2>/dev/null)
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
# The library and the packages of one extra, without compiling: `make build` alone compiles.
INSTALL := RAPSCHEDULER_NO_EXTENSIONS=1 $(PIP) --no-build-isolation --editable

.PHONY: help demo test test-all build lint types pure pure-all fuzz bench docs clean soak sanitize coverage dist kill-test

help:
	@echo "make demo      run 100,000 jobs for ten seconds (JOBS=, SECONDS=)"
	@echo "make test      run the tests on the compiled engine, but the slow ones (ARGS='-k cron')"
	@echo "make pure      the same on the reference engine, without compiling"
	@echo "make test-all  every test, with every package that one of them can use"
	@echo "make pure-all  the same on the reference engine, but for browsers, brokers, recipes and packages"
	@echo "make build     compile the engine in place"
	@echo "make lint      ruff format, ruff check; the workflows by their schema and by zizmor"
	@echo "make types     mypy --strict; mypy, pyright and basedpyright on a program over the public names; stubtest"
	@echo "make fuzz      fuzz the triggers against independent oracles (MINUTES=)"
	@echo "make sanitize  unit and fuzz tests on an engine built with ASan and UBSan, threads on one with TSan"
	@echo "make coverage  which lines of Python and Cython tests/unit never runs (ARGS=tests/unit/triggers)"
	@echo "make bench     the rows of docs/performance.md: target, ours, peer, ratio (ROWS=cron,parse; BASE=COMMIT: ours at that commit, too)"
	@echo "make soak      a million jobs for ten minutes (MINUTES=10)"
	@echo "make kill-test SIGKILL for the scheduler, KILLS=100 times on each of STORES, the server away and back: what was lost, what was repeated; SHARED=1: four schedulers on one store, killed, stopped, cut off, with wrong clocks (MINUTES=1 each, JOBS=200)"
	@echo "make docs      HTML documentation in build/docs"
	@echo "make dist      wheel and source distribution in dist/"
	@echo "make clean     remove everything these verbs made"

demo: $(VENV)/.demo $(VENV)/.build
	$(PY) -m rapscheduler demo --jobs $(JOBS) --seconds $(SECONDS) $(ARGS)

# Without what takes long and what takes long to install; `test-all` leaves nothing out. `pure-all` leaves out what no engine
# has a part in: it would be the same run again.
WHOLE = -n $(WORKERS) --maxprocesses 8
QUICK = $(WHOLE) -m "not slow"
ONCE = tests/browser tests/packaging tests/recipes tests/engines tests/unit/benchmarks

test: $(VENV)/.test $(VENV)/.build
	RAPSCHEDULER_ENGINE=compiled $(PY) -m pytest $(QUICK) $(ARGS)

test-all: $(VENV)/.test-all $(VENV)/.build
	RAPSCHEDULER_ENGINE=compiled $(PY) -m pytest $(WHOLE) $(ARGS)

pure: $(VENV)/.test
	RAPSCHEDULER_ENGINE=reference $(PY) -m pytest $(QUICK) $(ARGS)

pure-all: $(VENV)/.test-all
	RAPSCHEDULER_ENGINE=reference $(PY) -m pytest $(WHOLE) $(addprefix --ignore=,$(ONCE)) $(ARGS)

build: $(VENV)/.build

# Workflows run elsewhere only: whether they are well-formed, and give nobody more than they need, is told here.
lint: $(VENV)/.lint
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/zizmor --offline --no-progress --quiet .github

# The package as its authors write it, and a program as its users do, who have one of three checkers; then whether what the
# checkers see is what runs.
types: $(VENV)/.dev $(VENV)/.build
	$(PY) -m mypy
	$(PY) -m mypy tests/types/program.py
	$(PY) -m pyright --project tests/types
	$(PY) -m basedpyright --project tests/types --level error
	MYPYPATH=src $(PY) -m mypy.stubtest rapscheduler --concise --mypy-config-file pyproject.toml --allowlist tests/types/stubtest-allowed.txt

fuzz: $(VENV)/.test $(VENV)/.build
	$(PY) -m rapscheduler fuzz --minutes $(MINUTES) $(ARGS)

bench: $(VENV)/.bench $(VENV)/.build
	$(PY) -m benchmarks $(if $(ROWS),--rows $(ROWS)) $(if $(BASE),--base $(BASE)) $(ARGS)

soak: MINUTES = 10
soak: $(VENV)/.bench $(VENV)/.build
	$(PY) -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

# JOBS has a default, which is the demo's: only what somebody gave counts.
KILL_JOBS = $(if $(filter command environment,$(firstword $(origin JOBS))),--jobs $(JOBS))

kill-test: $(VENV)/.test-all $(VENV)/.build
ifdef SHARED
	for store in sqlite postgresql mariadb redis; do PYTHONPATH=src:. $(PY) -m tests.faults.kill_shared --minutes $(MINUTES) $(KILL_JOBS) --store $$store $(ARGS) || exit 1; done
else
	for store in $(STORES); do PYTHONPATH=src:. PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python $(PY) -m tests.faults.kill --kills $(KILLS) --store $$store $(ARGS) || exit 1; done
endif

docs: $(VENV)/.docs
	$(PY) -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "documentation: build/docs/index.html"

# Without debug symbols, and the same bytes from the same commit: times are the commit's, paths of this machine are left out.
# On Linux auditwheel says how old a system the wheel runs on, and renames it so (manylinux).
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1)
dist: $(VENV)/.dev
	rm -rf dist build/raw
	CFLAGS="-g0" LDFLAGS="-Wl,--strip-debug" RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) -m build --outdir build/raw .
	mkdir -p dist && mv build/raw/*.tar.gz dist/
	if [ "$$(uname)" = Linux ]; then PATH="$(abspath $(VENV))/bin:$$PATH" $(PY) -m auditwheel repair --wheel-dir dist build/raw/*.whl; else mv build/raw/*.whl dist/; fi

# A tree of its own, so that the engine in src/ stays as it is. Leaks are looked for by the leak test, not by ASan: the
# interpreter itself never frees its last objects.
sanitize: $(VENV)/.test-all
	RAPSCHEDULER_SANITIZE=1 RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) setup.py -q build --build-base build/sanitize --build-lib build/sanitize/lib
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc \
	PYTHONPATH=build/sanitize/lib RAPSCHEDULER_ENGINE=compiled \
	$(PY) -m pytest -o pythonpath="build/sanitize/lib ." -o timeout=900 -p no:cacheprovider $(if $(ARGS),$(ARGS),tests/unit/_engine tests/twins tests/fuzz)
	RAPSCHEDULER_SANITIZE=thread RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(PY) setup.py -q build --build-base build/races --build-lib build/races/lib
	LD_PRELOAD="$$(cc -print-file-name=libtsan.so)" TSAN_OPTIONS=exitcode=66 \
	PYTHONPATH=build/races/lib RAPSCHEDULER_ENGINE=compiled $(PY) tests/fuzz/thread_races.py

# A copy of the tree, whose engine is compiled so that it tells each line: slow, so one process and the tests that are named.
# The report says of each file, Python and Cython, which lines were never run; build/coverage/html shows them.
COPY := build/coverage/tree
coverage: $(VENV)/.dev
	rm -rf build/coverage && mkdir -p $(COPY)
	cp -R ext src tests benchmarks docs .ci setup.py pyproject.toml MANIFEST.in Makefile *.md LICENSE $(COPY)/
	find $(COPY) -name '*.so' -delete
	cd $(COPY) && RAPSCHEDULER_TRACE=1 RAPSCHEDULER_REQUIRE_EXTENSIONS=1 $(abspath $(PY)) setup.py -q build_ext --inplace --parallel 2
	cd $(COPY) && RAPSCHEDULER_ENGINE=compiled $(abspath $(PY)) -m coverage run -m pytest -p no:xdist -p no:cacheprovider -q -m "not slow" -o timeout=900 $(if $(ARGS),$(ARGS),tests/unit tests/twins); status=$$?; \
	$(abspath $(PY)) -m coverage html -q -d ../html; $(abspath $(PY)) -m coverage report > ../report.txt; tail -n 3 ../report.txt; exit $$status
	@echo "lines that were never run: build/coverage/report.txt, build/coverage/html/index.html"

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
	$(PIP) "setuptools>=77" "cython>=3.3.1" wheel
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

$(VENV)/.test-all: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[test-all]"
	@touch $@ $(VENV)/.demo $(VENV)/.test

$(VENV)/.bench: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[bench]"
	@touch $@ $(VENV)/.demo $(VENV)/.test $(VENV)/.test-all

$(VENV)/.docs: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[docs]"
	@touch $@

$(VENV)/.lint: $(VENV)/.venv pyproject.toml
	$(PIP) "ruff>=0.6" check-jsonschema==0.39.0 zizmor==1.32.0
	@touch $@

$(VENV)/.dev: $(VENV)/.venv pyproject.toml
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.demo $(VENV)/.test $(VENV)/.test-all $(VENV)/.bench $(VENV)/.docs $(VENV)/.lint
