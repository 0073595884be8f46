#!/bin/sh
# Run the unit tests of core for 64-bit ARM, by emulation: kernels of NEON, and what else
# depends on the processor.
#
#   sh scripts/arm.sh [NAME...]      test programs of test/unit, without test_; all if none is given
#
# Needs Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.  utf8proc for ARM is
# fetched into .local/arm and not installed.  Emulation is some twenty times as slow as the processor, so
# all of them take long; those of the kernels are kern and kern_vectors.  kern_blas is left out: it counts the
# threads of the process, of which the emulator has some of its own.
# Ends with 1 if a test failed.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$here/scripts/cluster.sh"
find_state
work=$state/arm
target=aarch64-linux-gnu

for package in gcc-$target libc6-dev-arm64-cross qemu-user
do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		die "arm: needs the package $package (apt-get install $package)"
done

# A list of packages of its own: the machine's knows no ARM.
if [ ! -f "$work/root/usr/include/utf8proc.h" ]
then
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
	fetch="apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache"
	$fetch update >"$work/fetch.log" 2>&1 || die "arm: no lists of packages: see $work/fetch.log"
	(cd "$work/debs" && $fetch download libutf8proc2:arm64 libutf8proc-dev:arm64) >>"$work/fetch.log" 2>&1 ||
		die "arm: no utf8proc: see $work/fetch.log"
	for package in "$work"/debs/*.deb
	do
		dpkg -x "$package" "$work/root"
	done
fi

rm -rf "$work/tree"
mkdir -p "$work/tree/build"
for part in core.mk src test bench
do
	ln -s "$here/$part" "$work/tree/$part"
done
[ $# -gt 0 ] || set -- $(cd "$here/test/unit" && grep -l "^main(" test_*.c | grep -v kern_blas | sed 's/^test_//; s/\.c$//')
programs=
for name
do
	programs="$programs build/check/bin/test_$name"
done
say "building for $target"
# shellcheck disable=SC2086
make -s -j2 -C "$work/tree" -f core.mk here=. CC=$target-gcc SANITIZE=-O2 \
	COPT="-isystem $work/root/usr/include" CORE_LIBS="-L$work/root/usr/lib/$target -l:libutf8proc.a -lm -ldl -pthread" $programs
cd "$here"
failed=0
for name
do
	say "test_$name"
	qemu-aarch64 -L /usr/$target "$work/tree/build/check/bin/test_$name" >"$work/$name.tap" 2>&1 || failed=1
	! grep -A 4 '^not ok' "$work/$name.tap" || failed=1
	say "test_$name: $(grep -c '^ok' "$work/$name.tap") passed, $(grep -c '^not ok' "$work/$name.tap" || true) failed"
done
exit $failed
