# `make demo` and `make test` do all the set-up by themselves, in .venv and without root.
#   PYTHON=python3.12   which Python makes the environment (3.11 to 3.13)
#   TORCH=cpu           PyTorch's CPU build, 200 MB instead of gigabytes of CUDA
#   VENV=folder         where the environment goes

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
CPU_BUILD := --extra-index-url https://download.pytorch.org/whl/cpu
INSTALL = $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt $(if $(filter cpu,$(TORCH)),$(CPU_BUILD))

.PHONY: demo test slow bench docs lint
.DELETE_ON_ERROR:

demo: $(VENV)/with-nothing  ## the finding of faithful-cot: five minutes on two cores, after some of setting up
	$(VENV)/bin/ontogeny run faithful-cot --scale desk

test: $(VENV)/with-test  ## a process a core, a file at a time
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

slow: $(VENV)/with-slow  ## what takes minutes: real clusters, an S3 server, processes that are killed
	$(VENV)/bin/python -m pytest -m slow

bench: $(VENV)/with-bench  ## tables and pictures of docs/performance.md: about an hour on two cores
	$(VENV)/bin/python benchmarks/all.py

docs: $(VENV)/with-docs
	$(VENV)/bin/python docs/generate.py
	$(VENV)/bin/zensical build --clean --strict

lint: $(VENV)/with-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

# One stamp a set of extras: made once, and again when what is asked for changes.
$(VENV)/with-nothing: $(VENV)/made pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/with-%: $(VENV)/made pyproject.toml constraints.txt
	$(INSTALL) --editable '.[$*]'
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "ontogeny needs Python 3.11 to 3.13, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: install its venv module (python3-venv on Debian and Ubuntu)"; exit 1; }
	@$(if $(TORCH),true,command -v nvidia-smi >/dev/null || \
		echo "No NVIDIA card here: TORCH=cpu fetches PyTorch's CPU build instead of gigabytes of CUDA (Ctrl-C, then make TORCH=cpu $(MAKECMDGOALS))")
	@echo "Setting up $(VENV), which takes some minutes once."
	@$(PYTHON) -m venv $(VENV)
	@touch $@
