#!/usr/bin/env bash
# The long form of what `make test` does briefly: every property test with many more cases, the browser's faults and floods at full
# size, and the API fuzzer for hours' worth of requests. EXAMPLES and PROPTEST_CASES may be given.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
scripts/setup.sh test
scripts/dockerd.sh
cargo xtask build
failed=()
PROPTEST_CASES=${PROPTEST_CASES:-20000} cargo test --workspace --exclude frontend || failed+=(properties)
scripts/demo.sh image
(cd end2end && DOCAICHE_SOAK=1 npx --no-install playwright test) || failed+=(browser)
EXAMPLES=${EXAMPLES:-1000} scripts/test-api.sh || failed+=(api)
[ ${#failed[@]} = 0 ] || { say "failed: ${failed[*]}"; exit 1; }
