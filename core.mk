# src/core without a server: its flags, and the programs that test, fuzz and
# measure it.  Included by Makefile, and complete by itself:
#
#   make -f core.mk check-core
#
# Every flavor of build/ holds the same objects, made with other flags:
#   build/check   ASan and UBSan, for test/unit
#   build/fuzz    the same with clang and coverage, for test/fuzz
#   build/bench   -O2, for bench

core_mk := $(lastword $(MAKEFILE_LIST))
ifndef here
here := $(patsubst %/,%,$(dir $(core_mk)))
endif

CLANG_CC ?= clang
FUZZ_SECONDS ?= 30
FUZZ_JOBS ?= 2
CORE_LIBS = -lutf8proc -lm -ldl -pthread

CC_IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))

# -ffp-contract=off: a multiply-add is fused where the kernels say so and
# nowhere else, so that both compilers give the same bits.
CORE_CPPFLAGS = -D_GNU_SOURCE -I$(here)/src/core
CORE_WARN = -Wall -Wextra -Wvla -Wdeclaration-after-statement -Wshadow -Wconversion -Wno-sign-conversion -Wmissing-prototypes
TEST_WARN = -Wall -Wextra -Wvla -Wdeclaration-after-statement
CORE_CFLAGS = -std=c11 -g -ffp-contract=off -fno-math-errno -fno-omit-frame-pointer
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all

main_regex := ^(int[[:space:]]+)?main[[:space:]]*[(]
core_sources := $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/src/core/*/*.c)))
unit_sources := $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/test/unit/*.c)))
unit_mains := $(patsubst $(here)/%,%,$(sort $(shell grep -lE '$(main_regex)' $(addprefix $(here)/,$(unit_sources)) /dev/null)))
unit_helpers := $(filter-out $(unit_mains),$(unit_sources))
fuzz_sources := $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/test/fuzz/fuzz_*.c)))
bench_sources := $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/bench/*.c $(here)/bench/*/*.c)))

unit_programs := $(patsubst test/unit/%.c,build/check/bin/%,$(unit_mains))
fuzz_programs := $(patsubst test/fuzz/%.c,build/fuzz/bin/%,$(fuzz_sources))
bench_programs := $(patsubst bench/%.c,build/bench/bin/%,$(bench_sources))

# $(call core_flavor,name,compiler,flags): build/name/libcore.a and the rule for its objects.
define core_flavor
build/$(1)/obj/%.o: $(here)/%.c $(core_mk)
	@mkdir -p $$(@D)
	$(2) $$(CORE_CPPFLAGS) $$(CORE_CFLAGS) $$(if $$(findstring /src/core/,$$<),$$(CORE_WARN),$$(TEST_WARN)) $(3) $(COPT) -MMD -MP -c -o $$@ $$<

build/$(1)/libcore.a: $(patsubst %.c,build/$(1)/obj/%.o,$(core_sources))
	@rm -f $$@
	$$(AR) rcs $$@ $$^

-include $(patsubst %.c,build/$(1)/obj/%.d,$(core_sources) $(4))
endef

$(eval $(call core_flavor,check,$(CC),-O1 $(SANITIZE),$(unit_sources)))
$(eval $(call core_flavor,fuzz,$(CLANG_CC),-O1 $(SANITIZE) -fsanitize=fuzzer-no-link,$(fuzz_sources)))
$(eval $(call core_flavor,bench,$(CC),-O2,$(bench_sources)))

# What has no main() in test/unit is a helper and linked to every program.
build/check/bin/%: build/check/obj/test/unit/%.o $(patsubst %.c,build/check/obj/%.o,$(unit_helpers)) build/check/libcore.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(CORE_LIBS)

build/fuzz/bin/%: build/fuzz/obj/test/fuzz/%.o build/fuzz/libcore.a
	@mkdir -p $(@D)
	$(CLANG_CC) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(CORE_LIBS)

build/bench/bin/%: build/bench/obj/bench/%.o build/bench/libcore.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(CORE_LIBS)

.PRECIOUS: build/%.o
.PHONY: check-core check-core-programs fuzz-programs fuzz-smoke bench

# Unit tests print TAP and are run in the project's folder, so that they find
# test/golden.  One of them: make check-core UNIT=kern_gemm
check-core-programs: $(unit_programs)

UNIT ?= *
check-core: check-core-programs
ifeq ($(unit_mains),)
	@echo "no unit tests"
else
	@build=$$(pwd) && cd $(here) && \
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
	UBSAN_OPTIONS=print_stacktrace=1 \
	prove $(PROVE_FLAGS) --exec '' $(addprefix $$build/,$(if $(filter *,$(UNIT)),$(unit_programs),$(addprefix build/check/bin/,$(UNIT))))
endif

fuzz-programs: $(fuzz_programs)

fuzz-smoke: fuzz-programs
ifeq ($(fuzz_sources),)
	@echo "no fuzz targets"
else
	@printf '%s\n' $(fuzz_programs) | \
	xargs -P $(FUZZ_JOBS) -n 1 sh $(here)/scripts/fuzz-one.sh $(FUZZ_SECONDS)
endif

bench: $(bench_programs)
