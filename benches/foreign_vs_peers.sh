#!/usr/bin/env bash
# Reads pages of other programs' styles with Glyph, tesseract and rapidocr, one after the other on
# one core, and prints how much each has right, how sure it is and how fast:
# benches/foreign_vs_peers.sh
#
# Needs out/corpus (tools/fetch_corpus.sh) and out/fonts (tools/fetch_fonts.sh); Python with
# benches/peers/requirements.txt (PYTHON names it); poppler-utils, chromium, tesseract-ocr and
# tesseract-ocr-chi-sim. PAGES keeps pages and readings in a folder.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
core=${CORE:-0}
pages=${PAGES:-$(mktemp -d)}
held=out/corpus/held-out

cargo build --release --quiet --workspace --example eval_foreign
"$python" benches/peers/foreign_pages.py out/fonts "$held"/{book,en,zh}.txt "$pages"
taskset -c "$core" "$python" benches/peers/ocr_peers.py "$pages"
RAYON_NUM_THREADS=1 taskset -c "$core" "${CARGO_TARGET_DIR:-target}/release/examples/eval_foreign" "$pages"
