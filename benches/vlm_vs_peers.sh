#!/usr/bin/env bash
# Milliseconds of Glyph, PyTorch and candle on checkpoints of CLIP and Qwen2-VL, in one run.
#
#   pip install torch torchvision transformers      (set PYTHON if it is not python3)
#   python3 tools/parity/random_checkpoint.py clip-vit-l-14 CLIP --dtype f32
#   python3 tools/parity/random_checkpoint.py qwen2-vl-2b QWEN
#   benches/vlm_vs_peers.sh CLIP QWEN [THREADS] [ROUNDS]
#
# Speed does not depend on what the weights say, so random ones of full size serve. All compute in
# F32; Glyph also keeps Qwen2-VL's weights in F16. The programs take turns for ROUNDS rounds and
# the best of each counts, so that what else the machine does weighs little; a round takes some three
# minutes. ONE_THREAD=1 adds a table of processor time with one thread, which a busy machine changes
# less. The programs print a number of each
# result, which has to agree; candle has no tower of Qwen2-VL.
set -euo pipefail
cd "$(dirname "$0")/.."
usage="usage: vlm_vs_peers.sh CLIP QWEN [THREADS] [ROUNDS]"
clip=$(realpath "${1:?$usage}") qwen=$(realpath "${2:?$usage}")
threads=${3:-2} rounds=${4:-2}
python=${PYTHON:-python3}
target=${CARGO_TARGET_DIR:-target}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The whole workspace's features, or Burn would be built once more.
cargo build --quiet --release --workspace --features glyph-benches/checkpoints --bin vlm_speed
# candle chooses its vector code when it is compiled, Glyph and PyTorch when they run.
RUSTFLAGS="-C target-cpu=native" \
    cargo build --quiet --release --manifest-path benches/peers/candle/Cargo.toml \
    --target-dir "$target/candle"

round() {
    local threads=$1 to=$2
    export RAYON_NUM_THREADS=$threads OMP_NUM_THREADS=$threads
    for work in "clip $clip" "qwen2-vl $qwen"; do
        # shellcheck disable=SC2086
        set -- $work
        "$target/release/vlm_speed" "$1" "$2" f32 >>"$to.glyph"
        "$python" benches/peers/vlm_torch.py "$1" "$2" f32 "$threads" >>"$to.pytorch" 2>/dev/null
        "$target/candle/release/checkpoint" "$1" "$2" f32 >>"$to.candle"
    done
    "$target/release/vlm_speed" qwen2-vl "$qwen" f16 >>"$to.f16"
}

# The smallest number in a column of the lines that begin so.
best() {
    awk -F'\t' -v k="$2" -v c="$3" '$1 == k && (!b || $c < b) { b = $c } END { if (b) printf "%.0f", b; else print "-" }' \
        "$1"
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 && b + 0) printf "%.2f", a / b; else print "-" }'
}

table() {
    local to=$1 column=$2
    printf '%-18s %8s %8s %8s %8s %10s %10s\n' "$3" glyph "f16" pytorch candle "/ pytorch" "/ candle"
    for what in "clip batch 1" "clip batch 4" "tower 768 patches" "prefill 512" "decode after 512"; do
        g=$(best "$to.glyph" "$what" "$column") h=$(best "$to.f16" "$what" "$column")
        p=$(best "$to.pytorch" "$what" "$column") c=$(best "$to.candle" "$what" "$column")
        printf '%-18s %8s %8s %8s %8s %10s %10s\n' "$what" "$g" "$h" "$p" "$c" \
            "$(ratio "$g" "$p")" "$(ratio "$g" "$c")"
    done
}

for _ in $(seq "$rounds"); do
    round "$threads" "$out/many"
    if [ "${ONE_THREAD:-0}" = 1 ]; then round 1 "$out/one"; fi
done
table "$out/many" 2 "ms, $threads threads"
if [ "${ONE_THREAD:-0}" = 1 ]; then table "$out/one" 3 "CPU ms, 1 thread"; fi
echo "results (they have to agree):"
cut -f 1,4 "$out/many.glyph" "$out/many.pytorch" "$out/many.candle" | sort | uniq -c
