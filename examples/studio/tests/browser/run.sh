#!/usr/bin/env bash
# Drives Glyph Studio's page in headless Chromium, from an upload to the history.
#
#   examples/studio/tests/browser/run.sh            builds the server, then tests
#   STUDIO_BIN=path/to/glyph-studio …/run.sh        tests that program
#   …/run.sh --test-name-pattern phone              some of the tests
#   STUDIO_WRITER=smollm2-135m …/run.sh             with a language model that writes, too
#
# Needs Node 20 or later. Chromium comes from Debian where it is missing. Screenshots and the
# server's log are kept in out/studio.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../../.."

PLAYWRIGHT=1.56.1
AXE=4.11.0
out=$PWD/out/studio
mkdir -p "$out"

if ! command -v node >/dev/null; then
    echo "Node is missing: install version 20 or later" >&2
    exit 1
fi
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk
fi
# Screenshots in Chinese need letters.
if command -v fc-list >/dev/null && [ -z "$(fc-list :lang=zh)" ] && command -v apt-get >/dev/null; then
    apt-get install -y -qq --no-install-recommends fonts-noto-cjk >/dev/null || true
fi
export CHROMIUM=${CHROMIUM:-$(command -v chromium)}

# Beside the output, so that nothing is written into the sources.
if [ ! -e "$out/node_modules/.$PLAYWRIGHT-$AXE" ]; then
    npm install --prefix "$out" --no-save --no-audit --no-fund --silent \
        "playwright-core@$PLAYWRIGHT" "axe-core@$AXE"
    touch "$out/node_modules/.$PLAYWRIGHT-$AXE"
fi

if [ -z "${STUDIO_BIN:-}" ]; then
    cargo build --release -p glyph-studio
    STUDIO_BIN=${CARGO_TARGET_DIR:-target}/release/glyph-studio
fi
STUDIO_BIN=$(realpath "$STUDIO_BIN")
export STUDIO_BIN STUDIO_OUT=$out
exec node --test --test-concurrency=1 "$@" "$here/studio.test.mjs"
