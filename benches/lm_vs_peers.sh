#!/usr/bin/env bash
# Tokens per second of Glyph, llama.cpp and candle on one GGUF model, in one run.
#
#   pip install llama-cpp-python numpy      (set PYTHON if it is not python3)
#   benches/lm_vs_peers.sh MODEL.gguf [THREADS] [ROUNDS]
#
# The programs take turns for ROUNDS rounds and the best of each counts, so that what else the
# machine does weighs little. A round of all three takes about ten seconds for SmolLM2-135M.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$(realpath "${1:?usage: lm_vs_peers.sh MODEL.gguf [THREADS] [ROUNDS]}")
threads=${2:-2} rounds=${3:-3}
python=${PYTHON:-python3}
target=${CARGO_TARGET_DIR:-target}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The whole workspace's features, or Burn would be built once more.
cargo build --quiet --release --workspace --example lm_bench
# candle chooses its vector code when it is compiled, Glyph and llama.cpp when they run.
RUSTFLAGS="-C target-cpu=native" \
    cargo build --quiet --release --manifest-path benches/peers/candle/Cargo.toml \
    --target-dir "$target/candle"
for _ in $(seq "$rounds"); do
    "$target/release/examples/lm_bench" "$model" "$threads" >>"$out/glyph"
    "$python" benches/peers/llama_cpp_bench.py "$model" "$threads" >>"$out/llama.cpp"
    RAYON_NUM_THREADS=$threads "$target/candle/release/glyph-bench-candle" "$model" >>"$out/candle"
done

best() { awk -v k="$2" '$1 " " $2 == k && $3 > b { b = $3 } END { printf "%.1f", b }' "$out/$1"; }
echo "tokens per second, $threads threads, best of $rounds, $(basename "$model")"
printf '%-14s %10s %10s %10s %14s %12s\n' "" glyph llama.cpp candle "/ llama.cpp" "/ candle"
for what in "prefill 512" "prefill 2048" "decode 128"; do
    g=$(best glyph "$what") l=$(best llama.cpp "$what") c=$(best candle "$what")
    printf '%-14s %10s %10s %10s %14s %12s\n' "$what" "$g" "$l" "$c" \
        "$(awk "BEGIN { printf \"%.2f\", $g / $l }")" "$(awk "BEGIN { printf \"%.2f\", $g / $c }")"
done
grep -h '^resident' "$out/glyph" | tail -1
