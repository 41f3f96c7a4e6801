# SPDX-License-Identifier: BSD-3-Clause
# Helpers of the shell tests. The environment comes from `make check`; by hand: BATON=./baton bats tests/shell/NAME.bats

: "${srcdir:=$(cd "$(dirname "${BATS_TEST_FILENAME}")/../.." && pwd)}"
: "${builddir:=$srcdir}"
: "${BATON:=$builddir/baton}"
: "${TSHARK:=tshark}"
: "${MANDOC:=mandoc}"
: "${XMLLINT:=xmllint}"

# The names of the scenarios that are installed.
SHIPPED=$(sed -n 's,^.*scenarios/\([a-z0-9-]*\)\.yaml.*,\1,p' "$srcdir/scenarios/local.mk" | tr '\n' ' ')

# Runs a scenario into $BATS_TEST_TMPDIR/NAME, quietly; NAME is the file's stem.
run_scenario() {
	local file=$1
	shift
	"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/$(basename "$file" .yaml)" "$@" "$file"
}

# Whether the command was built with the address sanitizer: then the largest scenarios run smaller.
sanitized() {
	nm -D "$BATON" | grep -q __asan_init
}

# A value of result.json by its path: metric DIR requests.completed
metric() {
	jq -r ".$2" "$1/result.json"
}
