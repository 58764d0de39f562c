# The commands of the project. `make run` and `make test` set up what they need.

PYTHON ?= python3
VENV ?= .venv
BOT ?= bot
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test test-interpreter setup check bench bench-peer bench-peers soak clean lock headlines clients

run: $(READY)
	@test -e $(BOT)/bot.toml || $(BIN)/foresight init $(BOT)
	$(BIN)/foresight run --bot $(BOT) $(ARGS)

# Lines are counted where tools/coverage_floor.py holds a floor, and not in tests marked `no_cover`: counting makes what
# computes much, and proves nothing of those parts, four times as slow.
COVERED := foresight/engine foresight/broker foresight/ledger tesseract
COVERAGE := $(COVERED:%=--cov=src/%) --cov-report=term --cov-report=json:$(VENV)/coverage.json

# Each worker begins with its share of the tests, in their order, and takes from another one when it has none left. How
# many there are, and the order, stand in tests/conftest.py.
SPREAD := -n auto --dist worksteal

INTERPRETER := tests/tesseract tests/conformance tests/engine tests/strategy tests/end_to_end/test_0247.py

# Most tests wait for processes for half of their time, so there are more at once than cores. Those that count what a
# running bot misses come after them, fewer at once. Both can still fail on a busy machine: what failed is run once
# more, alone, and must pass then. Every result is printed. (5 is pytest's code for no test at all.)
test: $(READY)
	@failed=; \
	$(BIN)/python -m pytest $(SPREAD) -m "not punctual" $(COVERAGE) $(ARGS) || [ $$? -eq 5 ] || failed=yes; \
	$(BIN)/python -m pytest $(SPREAD) -m punctual $(ARGS) || [ $$? -eq 5 ] || failed=yes; \
	[ -z "$$failed" ] || \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(COVERAGE) --cov-append $(ARGS)
	$(BIN)/python tools/coverage_floor.py $(VENV)/coverage.json

# What depends on the interpreter: the runtime that changes code, the engine's arithmetic, and whole runs.
test-interpreter: $(READY)
	$(BIN)/python -m pytest $(SPREAD) $(INTERPRETER) $(ARGS) || \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(INTERPRETER) $(ARGS)

setup: $(READY)

# The venues' official clients, in an environment of their own: the tests talk to the local venue with them.
CLIENTS ?= .venv-clients
CLIENTS_READY := $(CLIENTS)/.ready

clients: $(CLIENTS_READY)

$(CLIENTS_READY): tests/clients/requirements.lock
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Foresight needs Python 3.11 or later; $(PYTHON) is older. Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(READY)
	$(BIN)/python bench/run_all.py $(ARGS)

bench-peer: $(READY)
	$(BIN)/python bench/peer_setup.py

bench-peers: $(READY)
	$(BIN)/python bench/reloaders.py $(ARGS)

headlines: $(READY)
	$(BIN)/python examples/headlines/watch.py $(ARGS)

soak: $(READY)
	$(BIN)/python bench/soak.py $(ARGS)

lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --no-annotate --quiet --output-file requirements.lock
	uv pip compile tests/clients/requirements.in --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --no-annotate --quiet --output-file tests/clients/requirements.lock

clean:
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis
