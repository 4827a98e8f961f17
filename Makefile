# Two commands that need nothing but Python 3.11, make and a package index:
#   make run    the main job on the embedded target
#   make test   the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test slow proof lint bench bench-peers bench-workers oracle campaign mutation mutation-hand picture schema clean

run: $(READY)
	$(BIN)/chaosrun experiments/server-restart.yaml

test: $(READY)
	$(BIN)/pytest -m "not slow and not live and not whole_run" -n 2 -rs
	$(BIN)/pytest -m "whole_run and not slow and not live" -rs

# Everything that takes longer or needs more of the machine; nothing of it may be skipped in CI.
slow: $(READY)
	$(BIN)/pytest -m "(slow or live) and not proof and not whole_run" -n 2 --dist loadgroup --no-loadscope-reorder -rs --durations=15
	$(BIN)/pytest -m "(slow or live) and not proof and whole_run" -rs --durations=15

# A harmed observer, series, comparisons and the oracles in small size on real runs, and many more seeds of the scorers: for a
# machine with nothing else to do.
proof: $(READY)
	$(BIN)/pytest -m proof -rsw

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m chaosrun.spec.schema --check
	$(BIN)/python tests/mutation/by_hand.py --check

schema: $(READY)
	$(BIN)/python -m chaosrun.spec.schema --write

bench: $(READY)
	$(BIN)/python tests/bench/run.py

# The same load by chaosrun, Artillery, Locust and k6, which are installed into ~/.cache/chaosrun/peers where they can be had.
bench-peers: $(READY)
	$(BIN)/python tests/bench/peer_bench.py

# What the coordinator pays for 100, 300 and 1,000 workers: its CPU, memory and lag.
bench-workers: $(READY)
	$(BIN)/python tests/bench/many_workers.py

# Every number against a server that writes down what it really did; exit code 1 if one is wrong.
oracle: $(READY)
	$(BIN)/python tests/oracle/run.py

# chaosrun killed 200 times for each of six faults, and what it leaves; exit code 1 if that is anything. To say more
# (--kills, --fault, --seed, --minutes): .venv/bin/python tests/campaign/run.py --help
campaign: $(READY)
	$(BIN)/python tests/campaign/run.py

mutation-hand: $(READY)
	$(BIN)/python tests/mutation/by_hand.py

mutation: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	$(BIN)/python tests/mutation/run.py

# Locust brings a plugin for pytest and so gets an environment of its own.
picture: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[pictures]'
	$(PYTHON) -m venv $(VENV)/locust
	$(VENV)/locust/bin/pip install --quiet --disable-pip-version-check locust websocket-client
	$(BIN)/python docs/pictures/coordinated_omission.py --locust $(VENV)/locust/bin/locust

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
