# Everything installs into .venv; delete it to start anew.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: study quick test test-faults check clean

study: .venv/installed  ## run the main job and show its result
	$(BIN)/explorer run-study frequency_range

# Studies wait more than they compute, for Ray and for each other's processes, so that two files at
# a time take little more than half as long. No file is divided: its tests share what they have made.
test: .venv/installed  ## run all tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# Whatever starts Ray, needs a PostgreSQL server or a browser, or runs whole studies, is left out.
SLOW := runner faults peers cluster browser dashboard docs test_end_to_end.py
quick: .venv/installed  ## run the tests that take no more than a minute and a half, all together
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder \
		-m 'not (end_to_end or postgres or cluster or faults)' $(SLOW:%=--ignore=tests/%)

test-faults: .venv/installed  ## do all harm to studies, and write the table of what they survived
	$(BIN)/pytest tests/faults --faults=whole

check: .venv/installed  ## lint, format, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The exact versions that the tests passed with; pyproject.toml has the lower bounds.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "explorer needs Python 3.11 or newer; make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

clean:  ## remove what the tools leave behind (not the environment, not results)
	rm -rf dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find explorer tests -name __pycache__ -prune -exec rm -rf {} +
