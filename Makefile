# The commands of vsreid_lite. `make` alone lists them. Choose the interpreter with `make PYTHON=python3.12 …`.

PYTHON ?= python3
STAMP := .venv/.installed

.PHONY: help setup reproduce test lab figures weights benchmark clean

help:
	@echo "make reproduce   Table 1 on the mini benchmark: printed, figures/table1.png, runs/mini-lite"
	@echo "make test        lint, types and all tests"
	@echo "make lab         JupyterLab on the notebooks"
	@echo "make figures     the figures of the README and the notebooks"
	@echo "make weights     every shipped weight file again, from nothing, into runs/weights: 4 hours on 2 cores"
	@echo "make benchmark   speed and memory, as tables"
	@echo "make setup       only .venv, from requirements.lock (the others do it when needed)"
	@echo "make clean       removes runs and caches, keeps .venv and downloads"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test "$$(uname -sm)" = "Linux x86_64" || { echo "requirements.lock is for Linux on x86-64, this is $$(uname -sm): use environment.yml (conda)"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing): try make PYTHON=python3.12"; exit 2; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv >/dev/null || \
		{ echo "$(PYTHON) -m venv failed: install the venv package of this Python (Debian: apt install python3-venv)"; exit 2; }
	@echo "Installing into .venv: about 6 GB on disk, a few minutes"
	.venv/bin/python -m pip install --disable-pip-version-check --no-deps -r requirements.lock
	.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

reproduce: $(STAMP)
	.venv/bin/vsreid ablation --dataset mini
	.venv/bin/vsreid figures

# Two test processes of one thread each: the second core is worth more there than inside torch.
test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest -n 2 --dist loadscope

lab: $(STAMP)
	.venv/bin/jupyter lab notebooks

figures: $(STAMP)
	.venv/bin/vsreid figures
	.venv/bin/python notebooks/refresh.py

# Real video, for the set lite-davis: DAVIS_ROOT, or the ten sequences beside the project.
weights: DAVIS_ROOT ?= ../shared/data/davis2016
weights: $(STAMP)
	.venv/bin/vsreid train all --output runs/weights --root "$(DAVIS_ROOT)"
	set -e; for set in lite lite-davis; do \
		.venv/bin/vsreid choose runs/weights/$$set-propagation.safetensors --in-place --table runs/weights/$$set-settings.csv; \
	done
	@echo "To ship them: cp runs/weights/lite*-{baseline,box,propagation,detector,identification}.safetensors vsreid_lite/weights"
	@echo "and their logs: cp runs/weights/lite*.csv data/training"

benchmark: $(STAMP)
	set -e; for script in benchmarks/*.py; do .venv/bin/python $$script; done

clean:
	rm -rf runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
