# Everything that a newcomer or a developer runs. Needs only make and Python 3.11 or newer with
# venv; Go, Node and Chromium are brought when they are missing. `make` lists the targets.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

# An environment is right when it was made here from exactly these files: a stamp is named after
# what went in, so that looking costs no time and a change is never missed.
stamp = $(VENV)/.$(1)-$(shell (pwd; cat $(2)) | cksum | tr ' ' '-')
RUN := $(call stamp,run,requirements.txt pyproject.toml)
DEV := $(call stamp,dev,requirements.txt requirements-dev.txt pyproject.toml)

# uv where it can be had and reaches an index, else pip: the same pins either way.
define install
	@{ [ -x $(VENV)/bin/uv ] && \
	  VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv --quiet pip install --compile-bytecode $(1); } || \
	  $(PY) -m pip install --quiet --disable-pip-version-check $(1)
endef

.DEFAULT_GOAL := help
.PHONY: help
help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: demo up control-plane
demo: $(RUN) ## protect, lose, restore and prove a sample application (ARGS=--once ends by itself)
	@$(PY) -m local demo $(ARGS)

up: $(RUN) ## Airflow with Lifeboat for your own cluster: KUBECONFIG=~/.kube/config make up
	@$(PY) -m local airflow $(ARGS)

control-plane: $(RUN) ## build the local Kubernetes control plane (minutes, once)
	@$(PY) -m local build

.PHONY: test chaos lint fmt docs
.PHONY: bench-airflow bench-capture bench-main bench-proof bench-restore bench-vault
# Two workers, each with a control plane of its own: much of a test is waiting. What they run is
# made before, since nobody sees what a worker says.
test: lint ## everything that is checked (ARGS="-n0 tests/unit": some of it, one after the other)
	@$(PY) -m local build --all
	@$(PY) -m pytest -n 2 --no-loadscope-reorder $(ARGS)

chaos: $(DEV) ## faults at random moments while everything runs, on Celery (ARGS="--faults 20")
	@$(PY) -m tests.chaos $(ARGS)

lint: $(DEV) ## style, types, layers
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

fmt: $(DEV) ## bring the code into form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: $(RUN) ## write the generated pages anew
	@$(PY) -m lifeboat.policy.schema docs

bench-main: $(DEV) ## measure, one line per bar
	@$(PY) -m bench.main $(ARGS)

bench-vault: $(DEV) ## measure what points cost (half an hour), one line per bar
	@$(PY) -m bench.vault $(ARGS)

bench-capture: $(DEV) ## measure listing, packing and snapshots beside Velero (half an hour)
	@$(PY) -m bench.capture $(ARGS)

bench-proof: $(DEV) ## measure test restores through Airflow, 20 in a row (a quarter of an hour)
	@$(PY) -m bench.proofs $(ARGS)

bench-airflow: $(DEV) ## measure Airflow's side, one line per bar (ARGS=--quick: parsing, --fleet: the fleet day)
	@$(PY) -m bench.airflow $(ARGS)

bench-restore: $(DEV) ## measure restores beside the leanest client and Velero (half an hour)
	@$(PY) -m bench.restore $(ARGS)

.PHONY: venv venv-dev lock clean
venv: $(RUN) ## the environment that Lifeboat runs in
venv-dev: $(DEV) ## the same with what tests and checks need

lock: $(DEV) ## pin what requirements*.in ask for (ARGS=--upgrade for newer versions)
	@$(VENV)/bin/uv --quiet pip compile $(LOCK) requirements.in -o requirements.txt
	@$(VENV)/bin/uv --quiet pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt
	@grep -vxFf requirements.txt requirements-dev.txt > .dev-lock && mv .dev-lock requirements-dev.txt
LOCK = --no-header --no-annotate --no-emit-index-url --no-emit-find-links --python-version 3.11 $(ARGS)

clean: ## remove the environment, caches and the demo's state; vaults made by `make up` stay
	rm -rf $(VENV) .lifeboat/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache build include/lifeboat.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Lifeboat needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)"; \
	  echo "  Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv || true

$(RUN): | $(PY)
	@echo "Installing what Lifeboat runs on (once, about 360 MB)"
	$(call install,-r requirements.txt)
	$(call install,--no-deps -e .)
	@rm -f $(VENV)/.run-* && touch $@

$(DEV): | $(RUN)
	@echo "Installing what tests and checks need"
	$(call install,-r requirements.txt -r requirements-dev.txt)
	@rm -f $(VENV)/.dev-* && touch $@
