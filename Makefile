# `make help` lists the targets. Nothing but git, make, and root or sudo need be there before.
PYTHON ?= python3
SCENARIO ?= default
COUNT ?= 500
SEED ?= 1
LOCK := tests/requirements.txt
LINK := .ansible/collections/ansible_collections/postern/mail

# Everything that Ansible and Molecule write stays in the checkout, and no collection is fetched from elsewhere.
export ANSIBLE_HOME := $(CURDIR)/.ansible
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.ansible/collections
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(CURDIR)/.venv/bin:$(if $(filter docker,$(CONTAINER_ENGINE)),,$(CURDIR)/tests/lab/podman:)$(if $(filter 0,$(shell id -u)),,$(CURDIR)/tests/lab/sudo:)$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup packages images up down demo test test-fast lint yamllint ansible-lint ruff mypy format unit unit-slow contract \
	sanity differential molecule demo-test converge bench bench-features bench-policy build lock clean molecule-audit molecule-edge \
	molecule-certificates

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: packages .venv/.done $(LINK) ## Install what is missing: Debian packages, Python tools in .venv

packages:
	@tests/setup-packages

# The stamp is made last: an interrupted installation is done again.
.venv/.done: $(LOCK)
	@tests/setup-venv "$(PYTHON)" "$(LOCK)"

$(LINK):
	@mkdir -p $(dir $@)
	@ln -sfn "$(CURDIR)" $@

images: setup ## Build the container images of the laboratory
	@bin/lab images

up: setup ## Start the demo lab, bare
	@bin/lab up

down: ## Remove the labs' containers, networks and state
	@for lab in demo demo-test default audit edge certificates bench bench-features; do bin/lab --lab $$lab down; done

demo: setup ## Build a laboratory, make a mail server in it, send and receive mail
	@tests/demo/run

test: setup ## Everything, counted; the last line is "N passed, N failed"
	@tests/run-all

test-fast: lint unit contract ## What needs no container and is quick; two minutes on two cores

lint: yamllint ansible-lint ruff mypy ## Static checks, also one by one: yamllint ansible-lint ruff mypy

yamllint: setup
	yamllint --strict .

ansible-lint: setup
	ansible-lint --offline

ruff: setup
	ruff check .
	ruff format --check .

mypy: setup
	mypy

format: setup ## Let ruff rewrite Python files
	ruff check --fix .
	ruff format .

unit: setup ## Unit tests
	pytest tests/unit -m "not slow" --numprocesses=auto

unit-slow: setup ## Tests that run ansible-playbook, kill processes, or replay smtpd's recorded answers
	pytest tests/unit -m slow --numprocesses=auto

contract: setup ## The rules of the architecture, tested over the YAML
	pytest tests/contract

sanity: setup ## ansible-test sanity on what the collection ships
	@tests/sanity/run

differential: setup ## Real smtpd of every release against the simulator: corpus and COUNT=500 generated pairs each, SEED=1
	@nice tests/differential/run --count $(COUNT) --seed $(SEED) $(if $(RELEASE),--release $(RELEASE))

molecule: images ## Molecule, SCENARIO=default: three Debian releases, check, converge, idempotence, verify
	molecule test --scenario-name $(SCENARIO)

molecule-audit: images ## Molecule: audit and explain on servers of somebody else, which are not changed
	molecule test --scenario-name audit

molecule-edge: images ## Molecule: postscreen, content checks, SPF, DKIM and DMARC, observing and enforcing
	molecule test --scenario-name edge

molecule-certificates: images ## Molecule: certificates from an authority, DANE, MTA-STS, TLS of every port
	molecule test --scenario-name certificates

# In a lab of its own: the demo that somebody is looking at stays.
demo-test: images
	@bin/lab --lab demo-test down
	@POSTERN_LAB=demo-test tests/demo/run
	@bin/lab --lab demo-test down

converge: setup ## Run site.yml against the demo lab
	@bin/lab converge

bench: images ## Seconds, tasks and ratios of a run, beside the least it could cost
	@tests/bench/run

bench-features: images ## Accepted messages a second with each feature of the edge, as a ratio to plain Postfix
	@python tests/bench/features.py

bench-policy: setup ## Seconds to read and judge a policy of 1,000 and of 10,000 words
	@python tests/bench/policy.py

docs: setup ## Write the tables of variables into the roles' READMEs, and docs/findings.md
	@python docs/reference.py
	@python docs/findings.py

build: setup ## Build the collection's tarball
	ansible-galaxy collection build --force

lock: setup ## Resolve tests/requirements.in again
	pip install --quiet uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --upgrade --quiet --output-file $(LOCK) tests/requirements.in
	sed -i '1i # Made by `make lock` from requirements.in; do not edit.' $(LOCK)

clean: down ## Remove the labs, .venv and everything that was made in the checkout
	rm -rf .venv .ansible .lab .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/output postern-mail-*.tar.gz
