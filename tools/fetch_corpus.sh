#!/usr/bin/env bash
# Fetches the texts that the built-in reader is trained on and measured with, from Debian's
# packages, into DIR/train/{en,zh}.txt and DIR/held-out/{en,zh}.txt (default: out/corpus).
# Needs: apt-get, dpkg, python3. Nothing of it is committed.
set -euo pipefail
dir=$(mkdir -p "${1:-out/corpus}" && cd "${1:-out/corpus}" && pwd)
tools=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=(debian-policy debian-faq debian-handbook manpages manpages-zh debian-faq-zh-cn)
held_out=(debian-reference-en debian-reference-zh-cn)
apt-get download -qq "${train[@]}" "${held_out[@]}"
for p in "${train[@]}" "${held_out[@]}"; do
  mkdir -p "x/$p"
  dpkg -x "$p"_*.deb "x/$p"
done
python3 "$tools/corpus_text.py" "$work/x" "$dir" "${held_out[@]}"
