# Everything starts here; see README.md.
.PHONY: help setup setup-test setup-bench run test check test-guest test-image test-image-long image bench bench-long bench-image dsp-report screenshots lock clean

AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

help:            ## what can be made
	@sed -n 's/^\([a-z-]*\): *[^#]*## /  make \1: /p' $(MAKEFILE_LIST)

setup:           ## install what the product needs (Debian packages, .venv, web assets, prompts)
	@./setup.sh run

setup-test:      ## the same, and what the tests need
	@./setup.sh test

run: setup       ## the box on the simulated office, page on localhost
	@exec .venv/bin/zongji run

check: setup-test ## format, lint, types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy

test: check      ## checks and all tests
	@.venv/bin/python -m pytest

test-guest:      ## tests against real kernel modules, in a QEMU guest (Debian's kernel and DAHDI, compiled once)
	@./setup.sh guest
	@ZONGJI_GUEST=1 nice .venv/bin/python -m pytest tests/guest

test-image: TESTS = tests/image
test-image:      ## tests of the boot loader and of the image, which is built when it is not there, in QEMU (TESTS=files for some)
	@./setup.sh test-image
	@$(AS_ROOT) .venv/bin/python -m image.build --quick --if-changed
	@ZONGJI_IMAGE=1 .venv/bin/python -m pytest $(TESTS)

LONG = ZONGJI_IMAGE=1 ZONGJI_IMAGE_READY=$(CURDIR)/build/image/ready
test-image-long: ## 100 power cuts in an update, 20 in each factory reset, a version that never gets healthy in all its three starts, more of recovery
	@./setup.sh test-image
	@$(AS_ROOT) .venv/bin/python -m image.build --quick --if-changed
	@$(LONG) ZONGJI_KILLS=100 .venv/bin/python -m pytest tests/image/test_updates.py -k "test_01 or never_gets_healthy"
	@$(LONG) ZONGJI_LONG=1 ZONGJI_CUTS=20 .venv/bin/python -m pytest tests/image/test_recovery.py

bench-image:     ## figures of the image that `make image` has built, in QEMU
	@./setup.sh test-image
	@nice .venv/bin/python -m tests.image.bench

image:           ## what is flashed: disk image, update bundle, recovery stick, in build/image/out (as root)
	@./setup.sh image
	@.venv/bin/python -m image.build $(IMAGE)

setup-bench:     ## the same, and the peers that the bench measures next to us
	@./setup.sh bench

bench: setup-bench ## figures and ratios, printed
	@.venv/bin/python -m tests.bench

bench-long: setup-bench ## false digits, caller IDs and hang-ups in hours of two sets of speech and music; an hour of ticks
	@.venv/bin/python -m tests.bench.dsp --long

dsp-report: setup-bench ## docs/dsp-report.md and its plots, from a run
	@.venv/bin/python -m tests.bench.dsp --report

screenshots: setup-test ## pictures of the pages for README.md and docs/
	@.venv/bin/python -m tests.screenshots

lock:            ## renew the lock files from pyproject.toml (needs uv)
	@uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 pyproject.toml requirements-build.in -o requirements.lock
	@uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra dev pyproject.toml requirements-build.in -o requirements-dev.lock
	@uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --extra dev --extra bench pyproject.toml requirements-build.in -o requirements-bench.lock

clean:           ## remove what was built (not your data in var/)
	@alone=; [ ! -e build/image/lock ] || alone='flock --nonblock --conflict-exit-code 75 build/image/lock'; \
	$$alone rm -rf .venv build node_modules webui/static/vendor appliance/prompts/built appliance/store/built dsp/native/compiled *.egg-info; \
	status=$$?; [ $$status != 75 ] || echo "build/image is in use by a build or by tests in machines: nothing was removed" >&2; \
	exit $$status
