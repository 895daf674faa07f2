# Needs make and Python >= 3.11 with pip; everything else is put into .venv, pinned by hash.

PYTHON ?= python3
# Two on each core: tests wait more than they compute.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? 2 * n : 8)))

BIN := .venv/bin
TREE := hark listener reconciler externalsecret testbed tests $(wildcard bench)
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
# Programs with pins of their own, each a group of pyproject.toml and a lock.
APART := awscli checkov hadolint site
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check

# What runs here has clusters of its own; the one that you happen to look at is never touched.
unexport KUBECONFIG

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak lint bench bench-quick site lock tools programs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/project $(if $(CLUSTER),,programs) ## See Hark at work, on this machine (KEEP=1 leaves it running, CLUSTER=kubeconfig uses yours)
	@$(BIN)/hark demo $(if $(KEEP),--keep) $(if $(CLUSTER),--cluster "$(CLUSTER)")

test: lint tools ## Lint, then run every test (WORKERS=n at a time, ARGS="-k word" for pytest)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

soak: tools ## Outages of a minute and floods of a thousand messages, which make test shortens (ten minutes)
	@HARK_TEST_OUTAGE_SECONDS=60 HARK_TEST_FLOOD=1000 $(BIN)/python -m pytest --timeout 900 --durations 0 \
		tests/crash/test_floods.py tests/crash/test_queue_goes_away.py \
		tests/crash/test_pubsub_goes_away.py tests/crash/test_cluster_misbehaves.py $(ARGS)

lint: .venv/project ## Check format, style, types and which package may import which
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(TREE)
	@$(BIN)/lint-imports --no-logo

bench: .venv/project tools ## Measure delays and counts of reads
	@$(BIN)/python -m bench $(ARGS)

bench-quick: .venv/project tools ## The same with about a fifth of everything, in three minutes
	@$(BIN)/python -m bench --quick $(ARGS)

image: .venv/project ## Build the image with docker or buildah (TAG=name:tag, EXTRAS=aws,templates)
	@$(BIN)/python -m testbed.image $(if $(TAG),--tag "$(TAG)") $(if $(EXTRAS),--extras "$(EXTRAS)")

image-test: tools ## Build the image without pulling and start it (as root; needs buildah and mmdebstrap)
	@$(BIN)/python -m pytest -s tests/image/built.py $(ARGS)

site: .venv/project ## Build the pages of docs/ as a static site into dist/site
	@$(BIN)/python -m testbed.site

lock: .venv/project ## Pin what pyproject.toml asks for (UPGRADE=1 takes the newest)
	@$(COMPILE) pyproject.toml --extra aws --extra gcp --extra azure --extra vault --extra webhook --extra templates \
		--output-file requirements/run.txt
	@$(COMPILE) pyproject.toml --all-extras --group dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt
	@for name in venv build $(APART); do \
		$(COMPILE) --group $$name --output-file requirements/$$name.txt || exit 1; done

tools: programs ## Provide a Kubernetes control plane, queues, helm and what templates need (once per machine)
	@$(BIN)/python -m reconciler.provide
	@$(BIN)/python -m testbed.azurite >/dev/null
	@$(BIN)/python -m testbed.pubsub >/dev/null
	@$(BIN)/python -m testbed.helm >/dev/null
	@$(BIN)/python -m testbed.actionlint >/dev/null
	@$(BIN)/python -m testbed.hcl >/dev/null
	@$(BIN)/python -m testbed.providers >/dev/null
	@$(BIN)/python -m testbed.pythontool $(APART) >/dev/null

programs: .venv/project
	@$(BIN)/python -m testbed.binaries

clean: ## Remove what make made here (the control plane stays in the user's cache)
	rm -rf .venv .venv.* dist bench/results .hypothesis .*_cache
	find $(TREE) -name __pycache__ -prune -exec rm -rf {} +

# The stamps below say up to which pins .venv was filled, and for which pyproject.toml.

.venv/project: .venv/pinned pyproject.toml
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check >&2
	@touch $@

.venv/pinned: requirements/dev.txt | .venv/bin/python
	@echo "installing the packages of $<"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement $<
	@touch $@

.venv/bin/python:
	@PYTHON="$(PYTHON)" requirements/make-venv .venv
