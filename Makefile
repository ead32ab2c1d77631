# The commands of vsreid_lite. `make` alone lists them. Choose the interpreter with `make PYTHON=python3.12 …`.

PYTHON ?= python3
STAMP := .venv/.installed

.PHONY: help setup reproduce test test-browser chromium lab figures site slides weights benchmark clean

help:
	@echo "make reproduce   everything, below build and runs: the notebooks as pages, Table 1, the figures; prints Table 1"
	@echo "make test        lint, types and all tests but those of the next line"
	@echo "make test-browser JupyterLab and the site in headless Chromium, which is installed where it is missing (root)"
	@echo "make lab         JupyterLab on the notebooks"
	@echo "make figures     copies the figures of make reproduce to figures/, where the README finds them"
	@echo "make site        the executed notebooks as pages, to read without Jupyter or network: build/site/index.html"
	@echo "make slides      build/slides.html: pictures of the notebooks to project, or to print as PDF"
	@echo "make weights     every shipped weight file again, from ImageNet's, into runs/weights (10 GB): 4.4 hours on 2 cores, and"
	@echo "                 the choice of the settings of lite comes on top"
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
	.venv/bin/python -m tools.site --figures build/figures
	.venv/bin/vsreid ablation --dataset mini
	.venv/bin/vsreid figures --output build/figures
	@cat runs/mini-lite/table1.md
	@echo "The notebooks to read: build/site/index.html. The figures: build/figures."

# Two test processes of one thread each: the second core is worth more there than inside torch. nbval runs the notebooks
# as they are stored; tests/test_notebooks.py runs them with other parameters.
test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest -n 2 --dist loadscope --nbval-lax --nbval-current-env --nbval-cell-timeout 600 tests notebooks/[01]*.ipynb

# The pages to look at are made of the runs that `make test` has left, where no code has changed since. A browser may
# hiccup: what fails is tried once more, in a new browser.
test-browser: $(STAMP) chromium
	.venv/bin/python -m tools.site --output build/tested --keep
	.venv/bin/pytest -n 2 -m browser tests/browser || { echo "What failed is tried once more:"; .venv/bin/pytest -m browser --last-failed tests/browser; }

chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium && \
		command -v "$${CHROMIUM:-chromium}" >/dev/null; } || \
		{ echo "no browser: apt install chromium, or CHROMIUM=/path/to/chromium make test-browser"; exit 2; }

lab: $(STAMP)
	.venv/bin/jupyter lab notebooks

# What the last `make reproduce` drew, into the files that are kept with the project.
figures:
	@test -f build/figures/table1.png || { echo "build/figures has no figures: make reproduce"; exit 2; }
	cp build/figures/*.png build/figures/*.svg figures

# From the notebooks as they are stored.
slides: $(STAMP)
	.venv/bin/python -m tools.site.slides

# Side by side, a thread each. The runs are in build/site/runs, what is stored in notebooks/ stays as it is.
site reproduce test-browser: export OMP_NUM_THREADS := 1
site: $(STAMP)
	.venv/bin/python -m tools.site

# Real video, for the set lite-real: DAVIS_ROOT, or the ten sequences beside the project.
# The set lite-real learns from every sequence below DAVIS_ROOT; the shipped one has also seen bear and tennis.
weights: DAVIS_ROOT ?= ../shared/data/davis2016
weights: STILLS ?= ../shared/data/stills/coco-sample
weights: STAMPS ?= /usr/share/tuxpaint/stamps
weights: $(STAMP)
	.venv/bin/vsreid train all --output runs/weights --root "$(DAVIS_ROOT)" --stills "$(STILLS)" --stamps "$(STAMPS)"
	.venv/bin/vsreid choose runs/weights/lite-propagation.safetensors --adapt --in-place
	@echo "To ship them: cp runs/weights/lite*-{baseline,box,propagation,detector,identification}.safetensors vsreid_lite/weights"
	@echo "and their logs: cp runs/weights/lite*.csv data/training"

# But for faults.py, which takes half an hour and prints docs/reliability.md.
benchmark: $(STAMP)
	set -e; for script in $(filter-out benchmarks/faults.py,$(wildcard benchmarks/*.py)); do .venv/bin/python $$script; done

clean:
	rm -rf runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
