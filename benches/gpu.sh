#!/usr/bin/env bash
# Checks a GPU against the CPU, then times Glyph and PyTorch on it side by side, in one run of
# under 9 minutes once the program is built.
#
#   pip install torch transformers safetensors pillow numpy        (set PYTHON if it is not python3)
#   benches/gpu.sh [DEVICE] [OUT]
#
# DEVICE is cuda:0, wgpu or cpu; OUT takes the programs' lines and the table. GLYPH_GPU_BIN names a
# program that was built elsewhere, for a machine without Rust:
#
#   cargo build --release --workspace --features cuda,glyph-benches/gpu --bin gpu
#
# Weights are random: speed does not depend on what they say. GLYPH_GPU_SIZE=small takes models of
# two layers and short prompts, to try the script where there is no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda:0}
out=${2:-$(mktemp -d)}
python=${PYTHON:-python3}
mkdir -p "$out"

gpu=${GLYPH_GPU_BIN:-}
if [ -z "$gpu" ]; then
    features=glyph-benches/gpu
    case $device in
        cuda*) features+=,cuda ;;
        wgpu) features+=,glyph-benches/wgpu ;;
    esac
    cargo build --quiet --release --workspace --features "$features" --bin gpu
    gpu=${CARGO_TARGET_DIR:-target}/release/gpu
fi
deadline=$((SECONDS + 520))

case ${GLYPH_GPU_SIZE:-full} in
    full) layers=() lengths=(4096 32768 131072) batches=(1 16 64) copies=400 ;;
    small) layers=(--layers 2) lengths=(64 256) batches=(1 2) copies=3 ;;
    *)
        echo "GLYPH_GPU_SIZE: expected full or small, found $GLYPH_GPU_SIZE" >&2
        exit 1
        ;;
esac
# Kernels are compiled at run time: the toolkit's library and headers, or those of pip.
if [[ $device == cuda* && -z ${CUDA_PATH:-} ]]; then
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    for folder in /usr/local/cuda "$site"/nvidia/cu[0-9]*; do
        if [ -f "$folder/include/cuda_runtime.h" ]; then
            export CUDA_PATH=$folder
            export LD_LIBRARY_PATH="$folder/lib64:$folder/lib:${LD_LIBRARY_PATH:-}"
            break
        fi
    done
fi
half=bf16
if [ "$device" = wgpu ]; then half=f16; fi
if [ "$device" = cpu ]; then half=f32; fi
torch_device=$device
if [ "$device" = wgpu ]; then torch_device=cpu; fi

# Runs a program where there is time left, and keeps what it says; a failure is told, and the rest
# goes on.
failed=0
run() {
    local to=$1 left=$((deadline - SECONDS))
    shift
    if [ "$left" -lt 10 ]; then
        echo "no time left for: $*" | tee -a "$out/failed"
        return
    fi
    if ! timeout "$left" "$@" >>"$out/$to" 2>"$out/error"; then
        failed=1
        { echo "failed: $*" && tail -5 "$out/error"; } | tee -a "$out/failed"
    fi
}

# The most memory of the GPU that is in use, in MiB, while a program runs.
watched() {
    local to=$1 most=0 used watcher
    shift
    if command -v nvidia-smi >/dev/null; then
        (
            while sleep 0.2; do
                used=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -1)
                if [ "${used:-0}" -gt "$most" ]; then
                    most=$used
                    echo "$most" >"$out/memory"
                fi
            done
        ) &
        watcher=$!
        run "$to" "$@"
        kill "$watcher" 2>/dev/null || true
        # That of the longest prompt, which comes last.
        printf 'memory at %s\t0\t%s MiB\n' "${*: -1}" "$(cat "$out/memory" 2>/dev/null)" >>"$out/$to"
    else
        run "$to" "$@"
    fi
}

rm -f "$out"/{glyph,torch,parity,failed,checkpoints}
touch "$out"/{glyph,torch,parity}
mkdir -p "$out/fixtures"
ln -sfn "$PWD/glyph-decode/tests/fixtures/vlm" "$out/fixtures/vlm"
ln -sfn "$PWD/glyph-encode/tests/fixtures/clip" "$out/fixtures/clip"
run parity "$gpu" parity "$out/fixtures" "$device"

book=$out/book.txt
if [ ! -f "$book" ]; then
    for _ in $(seq "$copies"); do cat docs/samples/lighthouse.txt; done >"$book"
fi
run glyph "$gpu" reader "$book" "$device"
run torch "$python" benches/peers/gpu_torch.py reader "$torch_device"
run glyph "$gpu" train "$device"
run torch "$python" benches/peers/gpu_torch.py train "$torch_device"
run glyph "$gpu" document "$book" "$device"

if [ ! -f "$out/clip/config.json" ]; then
    run checkpoints "$python" tools/parity/random_checkpoint.py clip-vit-l-14 "$out/clip" --dtype f16 "${layers[@]}"
fi
run glyph "$gpu" clip "$out/clip" "$device" "$half" "${batches[@]}"
run torch "$python" benches/peers/gpu_torch.py clip "$out/clip" "$torch_device" "$half" "${batches[@]}"

if [ ! -f "$out/glm/config.json" ]; then
    run checkpoints "$python" tools/parity/random_checkpoint.py glm4v-9b "$out/glm" --dtype bf16 "${layers[@]}"
    # Room for the longest prompt.
    run checkpoints sed -i 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 140000/' "$out/glm/config.json"
fi
# What is longest comes last, so that time runs out where it matters least. A program loads the
# model once for the shorter prompts.
last=$((${#lengths[@]} - 1))
shorter=("${lengths[@]:0:last}") longest=${lengths[last]}
watched glyph "$gpu" decoder "$out/glm" "$device" "$half" "${shorter[@]}"
run torch "$python" benches/peers/gpu_torch.py decoder "$out/glm" "$torch_device" "$half" "${shorter[@]}"
run glyph "$gpu" document "$book" "$device" "$out/glm" "$half"
run glyph "$gpu" compression "$out/glm" "$device" "$half" "$book" "${shorter[@]}"
watched glyph "$gpu" decoder "$out/glm" "$device" "$half" "$longest"
run torch "$python" benches/peers/gpu_torch.py decoder "$out/glm" "$torch_device" "$half" "$longest"
run glyph "$gpu" compression "$out/glm" "$device" "$half" "$book" "$longest"

{
    echo "== what the device computes against the CPU"
    cat "$out/parity"
    echo "== milliseconds on $device, and PyTorch's on $torch_device"
    awk -F'\t' -v OFS='\t' '
        FILENAME == ARGV[1] { theirs[$1] = $2; next }
        {
            peer = $1
            if ($1 ~ /^reader Local device/) peer = "reader local, ms a page"
            if ($1 ~ /^reader Global device/) peer = "reader global, ms a page"
            ratio = (peer in theirs) && $2 + 0 > 0 ? sprintf("%.2f", theirs[peer] / $2) : "-"
            compiled = peer " compiled"
            if (compiled in theirs) ratio = ratio " (" sprintf("%.2f", theirs[compiled] / $2) " of compiled)"
            printf "%-42s %12s %12s  %-24s %s\n", $1, $2, (peer in theirs) ? theirs[peer] : "-", ratio, $3
        }' "$out/torch" "$out/glyph"
    echo "== PyTorch"
    cat "$out/torch"
    if [ -f "$out/failed" ]; then
        echo "== failed"
        cat "$out/failed"
    fi
} | tee "$out/table"
exit "$failed"
