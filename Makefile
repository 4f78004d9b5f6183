# Everything here makes its own virtual environment; a machine needs Python 3.11.2 or newer, and make.
# Compiled once, not by every worker of every run.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11, 2))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# compat: a path in a .pth file; the other mode's finder costs every start of the command line 20 ms.
PIP_OPTIONS := --quiet --disable-pip-version-check --config-settings editable_mode=compat

# The lowest versions that setup.cfg allows, on the oldest Python there is here; and the tests that meet them most.
LOWEST := .venv-lowest
LOWEST_PYTHON ?= $(shell command -v python3.11 || echo $(PYTHON))
LOWEST_TESTS := $(addprefix tests/unit/test_, cli_boundary.py github_protocol.py promises.py settings.py) \
	$(addprefix tests/process/, cli/test_cli_looking.py cli/test_commands_as_processes.py cli/test_completion.py \
	cli/test_light_imports.py engine/test_github_client.py host/test_packages.py server/test_front_door.py \
	server/test_metrics_parts.py server/test_oidc.py server/test_redaction.py server/test_server.py server/test_tokens.py)

# What takes half a minute on two processors: all that starts no process, but for the races, which play thousands of
# orders and take as long as all others together; and the quickest of the rest.
QUICK_TESTS := tests/unit $(addprefix tests/process/, cli/test_cli_looking.py cli/test_light_imports.py \
	host/test_locks_across_processes.py host/test_packages.py server/test_looks.py)

# Fields of messages are the other side's; completion's table of words is made.
VULTURE_OPTIONS := --exclude '*/schemas.py,*/document_types.py,*/standin/package/*,*/completing/words.py' \
	--ignore-decorators '@click.*,@web.*,@*.command' --ignore-names '__*__,traceback,cancel_futures'

# What a machine of its own is for: another kernel, cgroup v2 alone, limits that it keeps.
E2E_TESTS := $(addprefix tests/e2e/, test_enforced_limits.py test_units.py test_service.py) \
	$(addprefix tests/process/, supervisor/test_backend_contract.py host/test_isolation.py engine/test_limits.py \
	host/test_resource_limits.py supervisor/test_marks.py supervisor/test_fork_guard.py)

# The dashboard in a browser; a journey of it is in `make test-long`, too.
WEB_TESTS := $(addprefix tests/web/, test_journey.py states.py accessibility.py pictures.py)

# What kills somebody at any moment: a part of the moments in `make test-long`, all of them in `make soak`.
ALL_MOMENTS_TESTS := $(addprefix tests/soak/, test_supervisor_crash_matrix.py test_crash_matrix.py) \
	$(addprefix tests/process/, engine/test_accept_crashes.py engine/test_registering_again.py cases/test_held_up.py)

.PHONY: help demo quick test test-long test-lowest test-pythons e2e e2e-web upgrade generate lint types audit bench simulate soak fuzz fuzz-api clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    plays the guide's workflow on a local GitHub"
	@echo "make quick   the tests that need half a minute"
	@echo "make test    all tests but the long ones"
	@echo "make test-long   the long ones: a systemd that is booted, everything that breaks, rehearsals, crowds; as root"
	@echo "make test-lowest   part of it, on the lowest versions of dependencies that setup.cfg allows"
	@echo "make test-pythons  the quick ones on each Python that is supported and found here: 3.11.2 (Debian 12's), 3.12, 3.13"
	@echo "make e2e     part of it, in a machine of its own (user-mode Linux, cgroup v2 alone); as root, half an hour"
	@echo "make e2e-web the dashboard in a real browser (Debian's chromium): all its states, accessibility, pictures in build/web"
	@echo "make upgrade FROM=COMMIT   this version installed over that one, while its runners live: as units, under serve, by hand; as root, minutes"
	@echo "make generate   completions/, man/, docs/states.md and the table of words, from commands, settings, errors and states"
	@echo "make audit   what runnerctl brings with it (build/sbom.cdx.json) and its licences, and known vulnerabilities where advisories can be reached"
	@echo "make lint    ruff, the import contracts and dead code"
	@echo "make types   mypy, strict"
	@echo "make bench   measures and prints a table"
	@echo "make simulate   20,000 lives in virtual time, from 200 seeds, while everything breaks; minutes"
	@echo "make fuzz    6,000 inputs for each place that takes what strangers send: requests, settings files, archives, the Listener; minutes"
	@echo "make fuzz-api   7,000 requests that the API's description allows or forbids, as the operator and as a tenant; minutes"
	@echo "make soak    thousands of lives while everything breaks, kills at every moment, power cuts, long races, and strangers who attack; an hour"

$(VENV)/run: setup.cfg setup.py
	@test -n "$(PYTHON)" || { echo "No Python 3.11.2 or newer was found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable .
	$(BIN)/python -m compileall -q runnerctl
	@touch $@

$(VENV)/dev: $(VENV)/run
	$(BIN)/python -m pip install $(PIP_OPTIONS) --editable '.[dev]'
	@touch $@

demo: $(VENV)/run
	$(BIN)/runnerctl demo

quick: $(VENV)/dev
	$(BIN)/python -m pytest -n $$(nproc) --dist loadfile --ignore tests/unit/test_races.py $(QUICK_TESTS) $(PYTEST_ARGS)

test: $(VENV)/dev
	$(BIN)/python -m compileall -q runnerctl
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not long" $(PYTEST_ARGS)

test-long: $(VENV)/dev
	$(BIN)/python -m compileall -q runnerctl
	$(BIN)/python -m pytest -n auto --dist loadfile -m long $(PYTEST_ARGS)

test-lowest: setup.cfg
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	$(LOWEST_PYTHON) -m tests.support.lowest_versions > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install $(PIP_OPTIONS) --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	$(LOWEST)/bin/python -m pytest -n auto --dist loadfile $(LOWEST_TESTS) $(PYTEST_ARGS)

test-pythons:
	$(PYTHON) -m tests.support.pythons $(QUICK_TESTS) $(PYTEST_ARGS)

e2e: $(VENV)/dev
	$(BIN)/python -m compileall -q runnerctl
	$(BIN)/python -m tests.support.hosts.virtual $(or $(TESTS),$(E2E_TESTS)) $(PYTEST_ARGS)

e2e-web: $(VENV)/dev
	$(BIN)/python -m pytest -n 0 $(or $(TESTS),$(WEB_TESTS)) $(PYTEST_ARGS)

upgrade: $(VENV)/dev
	@test -n "$(FROM)" || { echo "Name the commit that is upgraded: make upgrade FROM=42f7cbb" >&2; exit 1; }
	UPGRADE_FROM=$(FROM) $(BIN)/python -m pytest -v -rA tests/e2e/upgrade_of_a_commit.py $(PYTEST_ARGS)

generate: $(VENV)/run
	$(BIN)/python -m runnerctl.cli.generated .

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --config setup.cfg
	$(BIN)/vulture $(VULTURE_OPTIONS) runnerctl benchmarks .ci/used_elsewhere.py

types: $(VENV)/dev
	$(BIN)/mypy runnerctl benchmarks
	# Programs of their own, whose modules are top-level ones where they run.
	cd runnerctl/supervisor && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../setup.cfg --explicit-package-bases \
		$$(ls *.py | grep -v __init__)
	cd runnerctl/privileged && MYPYPATH=.:../.. ../../$(BIN)/mypy --config-file ../../setup.cfg --explicit-package-bases \
		$$(ls *.py | grep -v __init__)
	cd runnerctl/standin/package/bin && ../../../../$(BIN)/mypy --config-file ../../../../setup.cfg standin

audit: $(VENV)/dev
	$(BIN)/python .ci/sbom.py build/sbom.cdx.json
	$(BIN)/python .ci/audit.py

bench: $(VENV)/dev
	$(BIN)/python -m compileall -q runnerctl
	$(BIN)/python -m benchmarks

simulate: $(VENV)/dev
	$(BIN)/python -m tests.simulate $(SIMULATE_ARGS)

soak: $(VENV)/dev
	$(BIN)/python -m compileall -q runnerctl
	$(BIN)/python -m benchmarks.soak 2000
	$(BIN)/python -m benchmarks.hostile 300 200
	RACES=200 $(BIN)/python -m pytest tests/soak/test_never_lose_a_job.py
	ALL_MOMENTS=1 $(BIN)/python -m pytest $(ALL_MOMENTS_TESTS) --timeout 900
	STATEFUL=500 POWER_CUTS=100 $(BIN)/python -m pytest tests/soak/test_lives_stateful.py tests/soak/test_power_cut.py --timeout 7200

fuzz: $(VENV)/dev
	FUZZ=$(or $(FUZZ),100) $(BIN)/python -m pytest -n $$(nproc) --dist loadfile tests/fuzz --timeout 7200 $(PYTEST_ARGS)

fuzz-api: $(VENV)/dev
	FUZZ_API=$(or $(FUZZ_API),100) $(BIN)/python -m pytest -n 0 -s tests/process/server/test_api_fuzzing.py --timeout 7200 $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(VENV)-pythons $(LOWEST) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
