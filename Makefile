# Two commands do everything: `make demo` and `make test`. A fresh machine needs Python 3.11-3.13 with venv and pip.
# Node 20 or later builds the page of `make serve`, and runs some of the tests; all else works without it.

PYTHON ?= python3
BIN = .venv/bin
PACK ?= ../shared/train
RUN ?= out/train
MINUTES ?= 100
PAGE = src/fourview/service/page/index.html
WEB_FILES = $(filter-out %/schema.d.ts,$(wildcard web/*.md web/*.ts web/*.html web/src/*.ts web/src/*.tsx web/src/*.css))
PIP = $(BIN)/python -m pip --disable-pip-version-check install -q

HAS_NODE = $(shell (node -e 'process.exitCode = Number(parseInt(process.versions.node) < 20)' && npm --version) 2>/dev/null)

.PHONY: demo serve web test check check-web soak train train-smoke clean

demo: .venv/base  ## the main job on the example pictures
	$(BIN)/fourview demo -o out

serve: .venv/serve  ## the HTTP service; WORDS="--port 9000"
	@$(if $(HAS_NODE),$(MAKE) --no-print-directory web,echo "no Node 20 or later: the page at / is not built")
	$(BIN)/fourview serve $(WORDS)

web: $(PAGE)  ## the page of the service; Node 20 or later builds it

$(PAGE): web/package-lock.json web/index.html web/vite.config.ts $(wildcard web/src/*)
	npm ci --prefix web --no-audit --no-fund --silent
	npm run build --prefix web --silent

tests/node_modules: tests/package-lock.json
	npm ci --prefix tests --no-audit --no-fund --silent
	touch $@

test: .venv/all  ## every test, those of the page too where Node is
	@$(if $(HAS_NODE),$(MAKE) --no-print-directory web tests/node_modules,echo "no Node 20 or later: tests of the page are skipped")
	$(BIN)/python -m pytest -m "not soak" -n auto --maxprocesses 4 --dist loadfile

soak: .venv/all  ## the long forms of the tests
	$(BIN)/python -m pytest -m soak

train: .venv/all  ## the embedded engine's network; RUN=folder, MINUTES=length, PACK=data
	$(BIN)/python -m training.train --pack $(PACK) --out $(RUN) --minutes $(MINUTES)

train-smoke: .venv/all  ## a tiny network learns a few shapes, is exported and checked
	$(BIN)/python -m training.smoke

check: .venv/all  ## style, types, imports; the page too where Node is
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(if $(HAS_NODE),$(MAKE) --no-print-directory check-web,echo "no Node 20 or later: the page is not checked")

check-web: web/node_modules
	@! LC_ALL=C.UTF-8 grep -nE '.{121,}' $(WEB_FILES) || (echo "lines have 120 characters at most" && false)
	npm run check --prefix web --silent

web/node_modules: web/package-lock.json
	npm ci --prefix web --no-audit --no-fund --silent
	touch $@

.venv/base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/serve: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -e ".[serve]"
	touch $@ .venv/base

.venv/all: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -c constraints.txt -e ".[rembg,hunyuan,paint,serve,gltf,train,test,check,bench]"
	touch $@ .venv/base .venv/serve

clean:
	rm -rf .venv out build dist
