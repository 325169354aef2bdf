# truust: build, install and test.
#
# Two halves, so that the file works on a machine that has nothing but git and make:
#
#   * front goals (setup demo check bench lint ...) need neither pg_config nor compilers: they are scripts under
#     tools/ that install what is missing and then call make again for the rest;
#   * build goals (all install installcheck ...) are PGXS, which is read only when one of them is asked for.
#
# `make help` lists the goals.

PG_CONFIG ?= pg_config
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" truust.control)

FRONT_GOALS = setup demo check check-faults check-outage check-sanitize fuzz bench lint format docs coverage valgrind check-versions chroot-check deb deb-check check-exporter help \
	receiver install-receiver simulator sql
MAKECMDGOALS ?= all
.DEFAULT_GOAL := all

# ---------------------------------------------------------------- the SQL script

SQL_PARTS = $(sort $(wildcard sql/[0-9]*.sql))

# Put together each time, as a part may have gone; replaced only if it is another.
truust--$(EXTVERSION).sql: FORCE
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION truust" to load this file. \quit'; \
	   for part in $(SQL_PARTS); do echo; echo "-- $$part"; echo; cat $$part; done; } > $@.tmp
	@if cmp -s $@.tmp $@; then rm -f $@.tmp; else mv $@.tmp $@; fi

# From older versions: what sql/update has for each step. The step to this version ends with all comments as they are now.
UPDATES = $(patsubst sql/update/%.sql,truust--%.sql,$(sort $(wildcard sql/update/*.sql)))

truust--%--$(EXTVERSION).sql: sql/update/%--$(EXTVERSION).sql FORCE
	@{ cat $<; echo; awk "/^COMMENT ON /{ on = 1 } on { print } /';$$/{ on = 0 }" $(SQL_PARTS); } > $@.tmp
	@if cmp -s $@.tmp $@; then rm -f $@.tmp; else mv $@.tmp $@; fi

truust--%.sql: sql/update/%.sql
	@cp $< $@

FORCE: ;
.PHONY: FORCE

ifneq ($(filter $(FRONT_GOALS),$(MAKECMDGOALS)),)

# ---------------------------------------------------------------- front goals

# What each does stands at the head of its script.

setup: ## install the packages that building and testing need
	@tools/setup build programs server test lint

demo: ## an order from SQL, its life from webhooks (KEEP=1 stays; SERVER=sandbox KEY_FILE=... uses your own key)
	@KEEP="$(KEEP)" SERVER="$(SERVER)" SUBDOMAIN="$(SUBDOMAIN)" KEY_FILE="$(KEY_FILE)" tools/demo.sh

check: ## everything that must hold before a change is done (CHECK="regress tap" for some of it)
	@tools/check $(CHECK)

fuzz: ## libFuzzer over what reads bytes from outside, a minute (FUZZ="body" for one target, SECONDS_EACH=600)
	@tools/setup build server lint
	@tools/fuzz $(FUZZ)

check-faults: ## the tests with chance, RUNS times each (200) from SEED on (1)
	@TRUUST_RUNS=$(or $(RUNS),200) TRUUST_SEED=$(or $(SEED),1) TAP_TIMEOUT=3500 \
		TAP="$(wildcard test/t/*_random*.pl)" tools/check build simulator receiver tap

check-outage: ## a database that turns the receiver away for ten minutes (OUTAGE=600 seconds)
	@TRUUST_OUTAGE=$(or $(OUTAGE),600) TAP_TIMEOUT=3500 TAP=test/t/062_receiver_bounds.pl tools/check build simulator receiver tap

check-sanitize: ## receiver and simulator with AddressSanitizer and UBSan, through their tests
	@tools/check-sanitize

bench: ## how fast it is, each row against what bounds it (BENCH="calls" for one of them)
	@tools/bench $(BENCH)

# make has a LINT of its own, which is a program
LINT =
lint: ## layers, headers, symbols, compilers' warnings, format, scripts
	@tools/setup build programs lint
	@tools/lint $(LINT)

format: ## clang-format over the C files
	@tools/setup lint
	@clang-format -i $$(find src test/simulator test/bench -name '*.[ch]')

docs: ## docs/reference.md, from the catalog of a server with the extension
	@tools/setup build server
	@$(MAKE) -s --no-print-directory all
	@tools/reference.sh > docs/reference.md.tmp && mv docs/reference.md.tmp docs/reference.md

coverage: ## which lines the tests reach, in coverage/
	@tools/coverage

valgrind: ## the regression tests with the server under valgrind
	@tools/valgrind

chroot-check: ## make demo and make check in a fresh Debian with only git and make (as root)
	@tools/chroot-check

check-exporter: ## docs/prometheus.yml with the PostgreSQL exporter and promtool, from Debian's packages
	@tools/check-exporter

deb: ## Debian packages of the extension and of the receiver, in dist/
	@tools/deb

deb-check: ## these packages, tried in a fresh Debian (as root)
	@tools/deb-check

check-versions: ## build and regression tests with the servers of other Debian releases (as root)
	@tools/check-versions

help: ## this list
	@echo "build: all (default), install, uninstall, clean, installcheck, receiver, install-receiver, simulator"
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/\1\t\2/p' Makefile | expand -t 16

sql: truust--$(EXTVERSION).sql $(UPDATES)

# Programs of their own: PGXS allows a library or a program, not both.

receiver:
	$(MAKE) -C src/receiver

install-receiver:
	$(MAKE) -C src/receiver install

simulator:
	$(MAKE) -C test/simulator

# Build goals that are asked for together with these get a make of their own.
$(filter-out $(FRONT_GOALS),$(MAKECMDGOALS)): ; @$(MAKE) --no-print-directory $@

.PHONY: $(FRONT_GOALS)

else

# ---------------------------------------------------------------- build goals

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) or the server headers are missing: `make setup` installs them, or set PG_CONFIG)
endif

# Where libcurl is; curl-config comes with the development package, pkg-config may be missing.
CURL_CONFIG ?= curl-config
CURL_CFLAGS := $(shell $(CURL_CONFIG) --cflags 2>/dev/null || pkg-config --cflags libcurl 2>/dev/null)
CURL_LIBS := $(shell $(CURL_CONFIG) --libs 2>/dev/null || pkg-config --libs libcurl 2>/dev/null || echo -lcurl)

MODULE_big = truust
EXTENSION = truust
# Layers and their order are in tools/layers; `make lint` holds the files to it.
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
DATA_built = truust--$(EXTVERSION).sql $(UPDATES)
EXTRA_CLEAN = src/built-for.tmp src/built-of.tmp $(wildcard src/*.d src/*.gcno src/*.gcda) results regression.diffs regression.out output_iso tmp_check

PG_CPPFLAGS = -MMD -MP -Isrc $(CURL_CFLAGS) -DTRUUST_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Werror=implicit-function-declaration -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-clobbered $(DIRECT_CALLS) $(TRUUST_CFLAGS)
SHLIB_LINK = $(CURL_LIBS) -Wl,-Bsymbolic $(TRUUST_LDFLAGS)

# What this library defines is its own (PostgreSQL 16 sees to that, too), and called without a detour; no other library's
# function of the same name can stand in for it.
DIRECT_CALLS = -fno-semantic-interposition -fno-plt

REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test
TAP_TESTS = 1
PROVE_TESTS = $(wildcard test/t/*.pl)

# Inlining these functions into queries would gain nothing and needs the server's own clang.
override with_llvm := no

include $(PGXS)

-include $(OBJS:.o=.d)

# What was built for another server, with other flags, or of other files is built again.
stamp = @echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@
$(OBJS): src/built-for.tmp
src/built-for.tmp: FORCE
	$(call stamp,$(includedir_server) $(TRUUST_CFLAGS))
$(shlib): src/built-of.tmp
src/built-of.tmp: FORCE
	$(call stamp,$(OBJS) $(TRUUST_LDFLAGS))

clean: clean-programs

clean-programs:
	@for dir in src/receiver test/simulator test/bench test/fuzz; do $(MAKE) -s --no-print-directory -C $$dir clean; done

.PHONY: clean-programs

endif
