#!/usr/bin/env bash
# Draws the same text with Glyph and with its peers, one after the other on one core, and prints
# how they compare: benches/render_vs_peers.sh [CHARACTERS]
#
# Peers are held against drawing page after page; filling memory against drawing with all pages
# kept, which takes as much of it.
#
# Needs Python with benches/peers/requirements.txt (PYTHON names it), and poppler-utils. Times are
# processor time of each program and its children, so that other work on the machine counts less.
set -euo pipefail
cd "$(dirname "$0")/.."
characters=${1:-200000}
python=${PYTHON:-python3}
core=${CORE:-0}
export RAYON_NUM_THREADS=1

cargo build --release --quiet -p glyph-benches --bins
bin="${CARGO_TARGET_DIR:-target}/release"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for language in english chinese; do
    "$bin/sample_text" "$language" "$characters" >"$work/$language.txt"
    for style in "72 9" "96 12"; do
        read -r dpi size <<<"$style"
        {
            taskset -c "$core" "$bin/render_speed" "$work/$language.txt" "$dpi" "$size"
            for peer in reportlab_pdf2image pillow_text; do
                taskset -c "$core" "$python" "benches/peers/$peer.py" "$work/$language.txt" "$dpi" "$size"
            done
        } >"$work/table"
        echo
        echo "$language, $characters characters, A4 at $dpi dpi, $size pt"
        awk -F '\t' '
            BEGIN { printf "%-42s %14s %10s %9s %12s\n", "", "characters/s", "pages/s", "KiB/page", "Glyph faster" }
            { name[NR] = $1; chars[NR] = $2; pages[NR] = $3; size[NR] = $4 }
            $1 == "glyph flow: draw one page at a time" { draw = $2 }
            $1 == "glyph flow: draw all pages" { kept = $2 }
            $1 == "glyph flow: encode PNG" { png = $3 }
            END {
                for (i = 1; i <= NR; i++) {
                    ratio = ""
                    if (name[i] ~ /^(reportlab|Pillow).*draw/) ratio = sprintf("%.0f times", draw / chars[i])
                    if (name[i] ~ /^Pillow.*PNG/) ratio = sprintf("%.1f times", png / pages[i])
                    if (name[i] ~ /flow: fill all/) ratio = sprintf("%.2f times", kept / chars[i])
                    printf "%-42s %14d %10.1f %9.1f %12s\n", name[i], chars[i], pages[i], size[i], ratio
                }
            }' "$work/table"
    done
done
