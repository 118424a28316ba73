# Everything starts here: `make run` for a working system, `make test` for proof.
# Nothing but Python 3.11 or newer, make and the package registries is needed.

PYTHON ?= python3
BIN := .venv/bin
# What pytest is given besides: make test ARGS="tests/workbench -k health"
ARGS ?=
# `auto` is one process a core.
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help run test check format bench bench-jobs bench-browser test-faults test-vllm screenshots models messages lock wheel clean runtime dev

help:
	@echo "make run          install, then serve the workbench until Ctrl-C"
	@echo "make test         install, then run the tests"
	@echo "make check        format, lint, types, templates, migrations, links, licences"
	@echo "make format       put code and templates into the project's format"
	@echo "make bench        measure; one JSON object a line"
	@echo "make bench-jobs   measure model jobs and the sandbox; one JSON object a line"
	@echo "make bench-browser  measure the workspace in a browser; one JSON object a line"
	@echo "make test-faults  kill workers in mid-job, fifty times on each broker"
	@echo "make test-vllm    try the vLLM engine on a real server, on the processor (2.1 GB)"
	@echo "make screenshots  pictures of every page, in screenshots/"
	@echo "make models       install torch and transformers, for tests of models in this process"
	@echo "make messages     write new strings into the catalogues, say what is to be translated"
	@echo "make lock         write the locks again from pyproject.toml and package.json"
	@echo "make wheel        build an installable package in dist/"
	@echo "make clean        remove what was installed and made; your data stays"

runtime:
	@$(PYTHON) scripts/bootstrap.py runtime

dev:
	@$(PYTHON) scripts/bootstrap.py dev

run: runtime
	@set -a; if [ -f .env ]; then . ./.env; fi; set +a; exec $(BIN)/python manage.py serve

test: dev
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	find templates labeling modeljobs -name '*.html' -print0 | \
		xargs -0 -r $(BIN)/djade --check --target-version 5.2
	WORKBENCH_DATA_DIR=.venv/check-data $(BIN)/python manage.py check
	WORKBENCH_DATA_DIR=.venv/check-data $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python scripts/check_docs.py
	$(BIN)/python scripts/check_licences.py
	$(BIN)/python scripts/messages.py check

format: dev
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	find templates labeling modeljobs -name '*.html' -print0 | \
		xargs -0 -r $(BIN)/djade --target-version 5.2

bench: dev
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-jobs: dev
	@$(BIN)/python -m tests.benchmarks.jobs $(ARGS)

bench-browser: dev
	@$(BIN)/python -m tests.benchmarks.measure_browser $(ARGS)

test-faults: dev
	$(BIN)/python -m pytest tests/modeljobs/faults --fault-rounds 50 -n 0 $(ARGS)

test-vllm: dev
	$(BIN)/python scripts/test_vllm.py $(ARGS)

screenshots: dev
	$(BIN)/python -m tests.e2e.screenshots $(ARGS)

# By pip, which takes a CPU build of torch where its configuration names one.
models: dev
	@echo "Installing torch and transformers; this may take some minutes."
	$(BIN)/python -m pip install --quiet 'torch==2.13.0' 'transformers>=5.23,<6'

messages: dev
	$(BIN)/python scripts/messages.py update

lock: dev
	scripts/lock.sh

wheel: dev
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf .venv node_modules staticfiles labeling/static/vendor build dist screenshots
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
