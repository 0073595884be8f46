# pg_lstm: build, install and test the extension.
#
#   make                   build pg_lstm.so with the first pg_config of PATH
#   make PG_CONFIG=...     ... for another server
#   make install           install into that server (DESTDIR is obeyed)
#   make installcheck      SQL and isolation tests against a running server
#   make check-core        unit and golden tests of src/core, ASan and UBSan
#   make fuzz-smoke        every fuzz target for FUZZ_SECONDS (30)
#   make bench             the programs of bench/, into build/bench
#   make lint              the checks of scripts/check-* and the formatting
#   make format            indent the C files; format-check only looks
#
# What needs no server is in core.mk.  `sh scripts/test.sh` runs everything in
# a private server.  `make -f ../Makefile` in another folder builds there.

here := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
PG_CONFIG ?= pg_config

MODULE_big = pg_lstm
EXTENSION = pg_lstm
PGFILEDESC = "pg_lstm - recurrent networks on rows"
DATA := $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/sql/pg_lstm--*.sql)))

CORE_OBJS := $(patsubst $(here)/%.c,%.o,$(sort $(wildcard $(here)/src/core/*/*.c)))
PG_OBJS := $(patsubst $(here)/%.c,%.o,$(sort $(wildcard $(here)/src/pg/*/*.c)))
OBJS := $(CORE_OBJS) $(PG_OBJS)

# OpenBLAS is not linked: kern/ opens it at run time, tests it and can do without.
SHLIB_LINK = -lutf8proc -lm -ldl

# In run order.  scripts/check-tests holds that each sql/*.sql is named here.
REGRESS = setup surface train predict predict_batch evaluate multilabel decide models retrain refresh policy cache jobs options errors limits refused rights grants attacks secrets \
	transactions prepared hostile same_seed unicode sentiment tag write trace explain highlight report causes causes_hostile similar forecast story hostile_tasks extremes topics

# Likewise for specs/*.spec.
ISOLATION = train_predict train_tasks deploy_predict deploy_isolation train_train drop_predict drop_meanwhile source_changes batch_locks role_changes retrain_deploy job_commits

REGRESS_OPTS += --encoding=UTF8

EXTRA_CLEAN = $(OBJS:.o=.d) build results output_iso tmp_check

# No bitcode.  The JIT inlines across files and then looks up what it did not
# inline by name, which fails for the hidden symbols of core; and there is
# nothing to gain, for our functions are far larger than a call.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) not found: install postgresql-server-dev-NN or set PG_CONFIG (`sh scripts/setup.sh` installs what is missing))
endif
include $(PGXS)
include $(here)/core.mk

# The border: core is compiled without the server's include path and flags, so
# that a stray #include "postgres.h" is an error, and its symbols stay inside.
$(CORE_OBJS): override CPPFLAGS := $(CORE_CPPFLAGS)
$(CORE_OBJS): override CFLAGS := $(CORE_CFLAGS) $(CORE_WARN) -O2 $(CFLAGS_SL) -fvisibility=hidden -fstack-protector-strong $(COPT) -MMD -MP

# The server was built with gcc: clang does not know all of its flags.
GCC_ONLY = -fexcess-precision=standard -Wimplicit-fallthrough=3 -Wno-format-truncation -Wno-stringop-truncation
ifneq ($(CC_IS_CLANG),)
override CFLAGS := $(filter-out $(GCC_ONLY),$(CFLAGS)) -Wno-ignored-attributes
endif

$(PG_OBJS): override CPPFLAGS := -I$(here)/src/pg -I$(here)/src/core $(CPPFLAGS)
$(PG_OBJS): override CFLAGS := $(CFLAGS) -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -MMD -MP

$(OBJS): %.o: $(here)/%.c $(here)/Makefile $(here)/core.mk
	$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

# A build in another folder needs the tree of folders first.  It must not see
# what a build in this one left, so make may not search here.
VPATH :=
ifneq ($(here),.)
$(shell mkdir -p $(sort $(dir $(OBJS))))
$(EXTENSION).control: $(here)/$(EXTENSION).control
	cp $< $@
endif
-include $(OBJS:.o=.d)

# The shipped model lies beside the extension's scripts, under the extension's name.
SHIPPED_MODEL := $(wildcard $(here)/models/sentiment_en.safetensors)
INSTALLED_MODEL = $(DESTDIR)$(datadir)/extension/pg_lstm_sentiment_en.safetensors
ifneq ($(SHIPPED_MODEL),)
install: install-model
.PHONY: install-model
install-model: installdirs
	$(INSTALL_DATA) $(SHIPPED_MODEL) '$(INSTALLED_MODEL)'
endif
uninstall: uninstall-model
.PHONY: uninstall-model
uninstall-model:
	rm -f '$(INSTALLED_MODEL)'

.PHONY: lint format format-check
lint: all
	cd $(here) && scripts/check-layers && scripts/check-tests
	cd $(here) && scripts/check-exports $(CURDIR)/$(shlib)
	cd $(here) && scripts/check-core-symbols $(CURDIR)
	cd $(here) && scripts/format --check

format:
	cd $(here) && scripts/format

format-check:
	cd $(here) && scripts/format --check
