#!/usr/bin/env bash
# Fuzzes each target for a while: fuzz/run.sh SECONDS [TARGET…]
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). New inputs are kept in fuzz/corpus, findings in
# fuzz/artifacts; a finding that is fixed goes into glyph-render/tests/fuzz/corpus, which the tests
# replay. `FUZZ_BUILD_ONLY=1` only builds.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET…]}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(pdf docx config image font invert)
# The sanitizer's flags are unstable; this lets the stable compiler take them.
export RUSTC_BOOTSTRAP=1
# Without the folder of the project's own builds: the flags differ.
export CARGO_TARGET_DIR="${FUZZ_TARGET_DIR:-$PWD/target}"
cargo fuzz build
[ -z "${FUZZ_BUILD_ONLY:-}" ] || exit 0
failed=()
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    echo "== $target: $seconds s"
    cargo fuzz run "$target" "corpus/$target" "../glyph-render/tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=20000 \
        -print_final_stats=1 || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "findings in: ${failed[*]}" >&2
    exit 1
fi
echo "no findings"
