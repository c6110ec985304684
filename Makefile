# `make call` and `make test` need nothing but Python 3.11+, make and a package registry.
PYTHON ?= python3
BIN := .venv/bin
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
READY := .venv/.ready
LIVEKIT_VENV := .venv/livekit
LIVEKIT_READY := $(LIVEKIT_VENV)/.ready

.PHONY: call test slow deadline slow-cpu faults check audit-agent audit-selftest example bench load bench-processes bench-door bench-redaction bench-public backends livekit-tests setup postgres lock clean help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

call: $(READY)  ## play a clinic call end to end and show its redacted trace
	@$(BIN)/medagent call $(SCENARIO) $(if $(PACE),--pace $(PACE))

test: $(READY)  ## run the tests (none asserts an absolute time)
	$(BIN)/pytest -q $(PARALLEL) -m "not deadline and not slow"

slow: $(READY)  ## run the tests that take long: whole audits, sabotages, processes that are killed
	$(BIN)/pytest -q $(PARALLEL) -m "slow and not deadline"

deadline: $(READY)  ## run the tests of promises in seconds, one after another, at full speed
	$(BIN)/pytest -q -m deadline

slow-cpu: $(READY)  ## run the tests that wait with each CPU held to a fifth (SHARD=K/N or auto/N, ALL=1, ARGS="...")
	$(BIN)/python -m scripts.slow_cpu $(if $(SHARD),--shard $(SHARD)) \
		-m "$(if $(ALL),,timing and not slow and )not deadline" $(ARGS)

faults: $(READY)  ## the fault matrix: real faults on real processes, counted at the other end
	$(BIN)/pytest -q -n auto -m "not deadline" tests/faults

check: $(READY)  ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_architecture.py -k "says_what_it_is or reads_the_environment or read_the_environment"

bench: $(READY)  ## measure each figure beside its peer, as ratios in one table (ARGS="--json", ARGS="spans lag")
	@$(BIN)/python -m pip install -qq --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --group bench
	@$(BIN)/python -m bench $(ARGS)

load: $(READY)  ## measure: ten calls of five minutes at once, then ten thousand short ones; load.svg is the picture
	PYTHONPATH=tests $(BIN)/python -m load
	PYTHONPATH=tests $(BIN)/python -m load.short_calls

bench-processes: $(READY)  ## measure: 1 to 100 job processes beside one process (ARGS="--short", "--json", "--kill 600"); processes.svg is the picture
	@$(BIN)/python -m bench.processes $(ARGS)

bench-door: $(READY)  ## measure: ten thousand clean calls through both parts of the door, to every destination
	$(BIN)/python -m bench.clean_calls $(if $(CALLS),--calls $(CALLS))

bench-redaction: $(READY)  ## measure what free text loses, keeps and costs beside other tools, or costs beside BASELINE=commit (DATA=the corpora)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --group bench
	$(BIN)/python -m bench.redaction $(if $(DATA),--data $(DATA)) $(if $(BASELINE),--baseline $(BASELINE)) $(ARGS)

bench-public: $(READY)  ## measure: what free text loses and keeps on public sets (DATA=local copies, ARGS="--half b --misses 20 --json")
	@$(BIN)/python -m bench.redaction.public --data "$(DATA)" $(ARGS)

backends: $(READY)  ## send calls to a real Phoenix and a real MLflow and read them back (SHORT=1, JSON=1, KEEP=1 to look at them)
	@$(BIN)/python -m scripts.backends $(if $(SHORT),--short) $(if $(JSON),--json) $(if $(KEEP),--keep)

livekit-tests: $(LIVEKIT_READY)  ## LiveKit's tests and examples, traced, beside LiveKit's own account (LIVEKIT=a checkout, JSON=a file)
	@test -d "$(LIVEKIT)" || { echo "LIVEKIT: no checkout of LiveKit's agents repository, expected LIVEKIT=/path"; exit 2; }
	$(LIVEKIT_VENV)/bin/python -m bench.livekit_suite "$(LIVEKIT)" $(if $(JSON),--json $(JSON)) $(ARGS)

audit-agent: $(READY)  ## rehearse the audit of the example agent: its tools, its policy, its files
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && MEDAGENT_HOME=$$home MEDAGENT_POLICY=examples/refill-line.yaml \
		$(BIN)/medagent audit run audits/agent.yaml --agent examples.refill_line:factory --pace 20 --out $$home/report

audit-selftest: $(READY)  ## break the audited system in each of many ways: the audit must find and name every one (ONLY="names")
	@$(BIN)/python -m tests.audit.selftest $(if $(ONLY),--only $(ONLY)) $(if $(JOBS),--jobs $(JOBS))

example: $(READY)  ## run the whole audit anew and lay it into audits/evidence as the example (an idle machine, ten minutes)
	@home=$$(mktemp -d) && new=$$(mktemp -d) && trap 'rm -rf "$$home" "$$new"' EXIT && export MEDAGENT_HOME=$$home \
		&& { $(BIN)/medagent audit run audits/week5.yaml --example --out $$new \
			|| { echo "audits/evidence stays as it was: the machine's part is no GO"; exit 1; }; } \
		&& $(BIN)/medagent ledger key > $$new/machine.pem \
		&& cp audits/evidence/README.md $$new/ && rm -rf audits/evidence $$new/report.json && cp -r $$new audits/evidence \
		&& $(BIN)/medagent audit verify audits/evidence --officers audits/officers --machine-key audits/evidence/machine.pem

# LiveKit's tests want a pytest plugin that no test of ours may run under: an environment of its own over .venv
$(LIVEKIT_READY): $(READY)
	@$(BIN)/python -m venv --without-pip $(LIVEKIT_VENV)
	@$(BIN)/python -c 'import sys; print(*(p for p in sys.path if p.endswith(("site-packages", "/src"))), sep="\n")' \
		> $$(echo $(LIVEKIT_VENV)/lib/python*/site-packages)/medagent.pth
	@$(BIN)/python -m pip install -qq --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip --python $(LIVEKIT_VENV)/bin/python install -qq --disable-pip-version-check --no-deps \
		--group livekit-tests
	@touch $@

setup: $(READY)  ## make .venv from the hashed lock

postgres:  ## install the PostgreSQL server that the tests start for themselves (Debian, Ubuntu)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
		echo "installing PostgreSQL, which the clinic's tests start for themselves ..."; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends postgresql >/dev/null; \
	} || { echo "PostgreSQL could not be installed; put its server under /usr/lib/postgresql/<version>/bin"; exit 1; }

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "medagent needs Python 3.11 or later: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## renew requirements.lock (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group dev \
		pyproject.toml -o requirements.lock --quiet

clean:  ## remove what setup made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
