# make run     start Watchkeeper on live flights and look at it
# make test    install what the tests need and run all of them
# make check   format, lint, types, architecture
# make soak    an hour under load (DURATION=20 for twenty minutes): is memory flat?
# make bench   speed against the peers (PEERS=none for ours alone)
# make bench-signals   errors of the signals on labelled texts, beside other tools: writes docs/signals.md
# make first-model   the README's way from a clone to the first own model on a page, with its time
# make sbom    the bill of materials of a release, in CycloneDX: dist/watchkeeper.cdx.json
# make audit ADVISORIES=all.zip   which locked packages have known vulnerabilities, by an export of a database (OSV)
# make image   build the image (docker, podman or buildah; BASE, TAG, INDEX, CA)
# make compose-check chart-check terraform-check   check the files for Compose, Kubernetes and Terraform
# make lock    lock the newest allowed versions of all packages (see requirements/README.md)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

# Many tests wait for servers, so there are more workers than cores. Files are shared out in the order of tests/conftest.py.
# Nice as the child processes of a daemon are, so that tests which wait for those do not starve them.
TESTS := nice -n 10 $(BIN)/python -m pytest
PARALLEL := --numprocesses 5 --dist loadfile --no-loadscope-reorder

.PHONY: image compose-check chart-check terraform-check first-model run test test-thorough test-newest test-lowest coverage fuzz check format lock licences sbom audit bench soak bench-alerts bench-signals dashboards clean

run: $(VENV)/.demo
	@$(BIN)/watchkeeper demo

# Compiled once: the workers would do it each at the same time.
test: $(VENV)/.dev
	@.ci/system-packages
	@$(BIN)/python -m compileall -q -j 0 monitor watchkeeper client tests
	$(TESTS) $(PARALLEL)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench --peers $(or $(PEERS),all)

soak: $(VENV)/.dev
	$(BIN)/python -m tests.bench.soak --minutes $(or $(DURATION),60)

bench-alerts: $(VENV)/.dev
	$(BIN)/python -m tests.bench.alerts --peers $(or $(PEERS),all)
	$(BIN)/python -m tests.bench.alert_hard

# The labelled texts lie in packages, installed for this command alone.
bench-signals: $(VENV)/.dev | $(VENV)-signals/bin/uv
	$(VENV)-signals/bin/uv pip install --quiet --python $(VENV)-signals/bin/python --no-deps --requirement tests/bench/signals/packages.txt
	$(VENV)-signals/bin/uv pip install --quiet --python $(VENV)-signals/bin/python --requirement tests/bench/signals/tools.txt
	$(BIN)/python -m tests.bench.signals $(VENV)-signals

# A million connections of malformed requests to a daemon of its own (COUNT=20000 for fewer): for a nightly job.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.support.http_fuzz --count $(or $(COUNT),1000000)

first-model: $(VENV)/.dev
	$(BIN)/python -m tests.readme_walk

image:
	@deploy/image/build

# The linters of Dockerfiles and of Compose, and a client of Compose that reads the files (it does not know `name`).
compose-check: $(VENV)-deploy/.installed
	@.ci/system-packages deploy
	$(VENV)-deploy/bin/hadolint deploy/image/Dockerfile
	@deploy/compose/make-secrets
	$(VENV)-deploy/bin/compose-lint check deploy/compose/compose.yaml deploy/compose/compose.minimal.yaml
	for file in compose compose.minimal; do \
	  sed '/^name:/d' deploy/compose/$$file.yaml | docker-compose -f - --project-directory deploy/compose config --quiet || exit 1; done

chart-check: $(VENV)-deploy/.installed
	$(VENV)-deploy/bin/python deploy/helm/check.py

# Without a provider. The format is checked if Terraform is installed.
terraform-check: $(VENV)-deploy/.installed
	$(VENV)-deploy/bin/python deploy/terraform/check.py
	! command -v terraform > /dev/null || terraform fmt -check -recursive deploy/terraform

$(VENV)-deploy/.installed: requirements/deploy.txt | $(BIN)/uv
	@$(PYTHON) -m venv $(VENV)-deploy
	@$(BIN)/uv pip install --quiet --python $(VENV)-deploy/bin/python --require-hashes --requirement requirements/deploy.txt
	@touch $@

dashboards: $(VENV)/.dev
	$(BIN)/python -m monitor.exporters.grafana.build

clean:
	rm -rf $(VENV) var build dist

# Every cell of the generated tables, and ten times as many generated examples: for a nightly job.
test-thorough: $(VENV)/.dev compose-check chart-check terraform-check
	@.ci/system-packages deploy
	WATCHKEEPER_EACH=1 $(TESTS) $(PARALLEL) --timeout 3600

# The same tests with other versions than the locked ones, each in an environment of its own.
test-newest: | $(VENV)-newest/bin/uv
	@.ci/system-packages
	$(VENV)-newest/bin/uv pip install --quiet --python $(VENV)-newest/bin/python --upgrade --editable '.[dev]' --requirement requirements/build.in
	$(VENV)-newest/bin/python -m pytest $(PARALLEL)

# Old versions warn of each other, and PySpark 3.5 leaves a socket open at its end: these warnings are no errors here.
test-lowest: | $(VENV)-lowest/bin/uv
	@.ci/system-packages
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct --editable '.[dev]' --requirement requirements/build.in
	$(VENV)-lowest/bin/python -m tests.supply.lowest
	$(VENV)-lowest/bin/python -m pytest $(PARALLEL) -W ignore::DeprecationWarning -W ignore::pytest.PytestUnraisableExceptionWarning

$(VENV)-%/bin/uv:
	@$(PYTHON) -m venv $(VENV)-$*
	@$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt

# Which branches no test takes, room by room.
coverage: $(VENV)/.dev
	@.ci/system-packages
	$(BIN)/python -m pytest $(PARALLEL) --cov=monitor --cov-branch --cov-report=term-missing:skip-covered

LOCK = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-header --upgrade pyproject.toml requirements/build.in

# What the image has besides the required packages.
SERVER := postgresql oidc kafka nats redis rabbitmq sqs pubsub sites sftp
LOCK_OTHERS = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-header --no-annotate --upgrade --constraint requirements/dev.txt

lock: | $(VENV)-lock/bin/uv
	echo uv | $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade - --output-file requirements/uv.txt
	$(LOCK) --extra dev --output-file requirements/dev.txt
	$(LOCK) --extra demo --constraint requirements/dev.txt --output-file requirements/demo.txt
	$(LOCK_OTHERS) pyproject.toml $(SERVER:%=--extra %) --output-file requirements/server.txt
	$(LOCK_OTHERS) requirements/build.in --output-file requirements/build.txt
	$(LOCK_OTHERS) requirements/deploy.in --output-file requirements/deploy.txt

licences: $(VENV)/.dev
	$(BIN)/python -m tests.supply.licences

sbom: $(VENV)/.dev
	$(BIN)/python -m tests.supply.sbom

audit: $(VENV)/.dev
	$(BIN)/python -m tests.supply.advisories $(or $(ADVISORIES),advisories.zip)

# A stamp for each set of packages: nothing is installed again until pyproject.toml or the lock changes.
$(VENV)/.demo: pyproject.toml requirements/demo.txt | $(BIN)/uv
	@echo "Installing Watchkeeper and its demonstration (a minute or two, once) ..."
	@$(INSTALL) --require-hashes --requirement requirements/demo.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml requirements/dev.txt | $(BIN)/uv
	@echo "Installing Watchkeeper and what its tests need (a minute or two, once) ..."
	@$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo

# uv installs by hashes also where a package is required with and without extras; pip does not.
$(BIN)/uv: requirements/uv.txt | $(BIN)/python
	@$(PIP) --require-hashes --requirement requirements/uv.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/system-packages
	@$(PYTHON) -m venv $(VENV)
