# The same steps as .ci/run. `make test` and `make demo` set up what they need: Python 3.11 or newer and the package index.
.DELETE_ON_ERROR:
.PHONY: setup demo test killed containers lint types imports bench bench-reconcile bench-kafka lock lock-stack clean

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
PYTHON_H := "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
BUILDS_MYSQLCLIENT := { command -v cc && pkg-config --exists libmariadb && test -e $(PYTHON_H); } >/dev/null 2>&1

setup: $(VENV)/dev.stamp

demo: $(VENV)/core.stamp
	$(BIN)/dragoman demo

# Each worker begins elsewhere, so that tests that wait for servers run beside tests that compute.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto --dist worksteal -ra $(PYTEST_ARGS)

# Each connector is killed ten times in the middle of its work; `make test` does it twice.
killed: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/killed/test_live.py -n 2 -ra --kills 10 $(PYTEST_ARGS)

# The product by docker-compose.yml and servers in containers, in an engine of its own (root, Debian's docker.io and debootstrap).
containers: $(VENV)/dev.stamp
	$(BIN)/python -m tests.docker $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

imports: $(VENV)/dev.stamp
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench

# Starts PostgreSQL and MariaDB, and installs reladiff beside it all.
bench-reconcile: $(VENV)/dev.stamp
	$(BIN)/python -m bench reconcile

# Starts a Kafka and climbs from bare aiokafka to whole frameworks, which are fetched for it: six minutes of a quiet machine.
bench-kafka: $(VENV)/dev.stamp
	$(BIN)/python -m bench kafka

# The others take the core lock's versions, so that they may stand in one environment; image.txt is what the Dockerfile installs.
lock: $(VENV)/dev.stamp
	$(LOCK) --group build pyproject.toml --output-file requirements/core.txt
	$(LOCK) --group build pyproject.toml --extra dev --extra connect --extra kafka --constraints requirements/core.txt \
		--output-file requirements/dev.txt
	$(LOCK) --group build pyproject.toml --extra connect --extra kafka --extra postgres --extra reconcile \
		--constraints requirements/dev.txt --output-file requirements/image.txt
	$(LOCK) --extra mysql --constraints requirements/dev.txt pyproject.toml --output-file requirements/mysql.txt

# What Kafka, Connect and Debezium are made of, by its digests; needs Maven.
lock-stack: $(VENV)/core.stamp
	$(BIN)/python -m dragoman.stack.artifacts --pin

clean:
	rm -rf $(VENV) build dist dragoman-demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first interpreter that is new enough; a name that is only a launcher for a missing version does not count.
$(BIN)/python:
	@for name in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$name" --version)"; \
			exec "$$name" -m venv $(VENV); \
		fi; \
	done; \
	echo "error: Dragoman needs Python 3.11 or newer, and python3 is $$(python3 --version 2>&1 || true)." >&2; \
	echo "  next   install Python 3.11 or newer so that python3.11 (or newer) is found, then run make again" >&2; \
	exit 1

$(VENV)/core.stamp: requirements/core.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/core.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The C driver of MariaDB is compiled: where its library's headers are not, its tests are skipped and say so.
$(VENV)/dev.stamp: requirements/dev.txt requirements/core.txt requirements/mysql.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	! $(BUILDS_MYSQLCLIENT) || $(BIN)/python -m pip install --quiet --require-hashes -r requirements/mysql.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/core.stamp $@
