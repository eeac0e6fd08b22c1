#!/usr/bin/env bash
# Fetches the texts that the built-in reader is trained on and measured with, from Debian's
# packages, into DIR/train/{en,zh,eu,ru,el}.txt, DIR/calibration/{en,zh}.txt, which confidences are fitted
# on, and DIR/held-out/{en,zh,eu,ru,el}.txt (default: out/corpus; eu is German, French, Spanish and others),
# DIR/align, English that image and text are aligned on, and
# random words of jieba's dictionary of Chinese, from PyPI, into DIR/train/zh-words.txt; Ukrainian and Bulgarian words into
# DIR/train/{uk,bg}-words.txt.
# Needs: apt-get, dpkg, python3 with pip, npm. Nothing of it is committed.
set -euo pipefail
dir=$(mkdir -p "${1:-out/corpus}" && cd "${1:-out/corpus}" && pwd)
tools=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=(debian-policy debian-faq debian-handbook manpages manpages-zh debian-faq-zh-cn
  debian-faq-ru developers-reference-ru aptitude-doc-ru installation-guide-amd64)
held_out=(debian-reference-en debian-reference-zh-cn debian-reference-{de,es,fr,it} maint-guide-ru)
words=(wukrainian wbulgarian)
calibration=(debmake-doc)
align=(wordnet-base anarchism)
apt-get download -qq "${train[@]}" "${held_out[@]}" "${calibration[@]}" "${align[@]}" "${words[@]}"
for p in "${train[@]}" "${held_out[@]}" "${calibration[@]}"; do
  mkdir -p "x/$p"
  dpkg -x "$p"_*.deb "x/$p"
done
python3 "$tools/corpus_text.py" "$work/x" "$dir" "${held_out[@]}" -- "${calibration[@]}"
for p in "${words[@]}"; do
  dpkg -x "$p"_*.deb words
done
python3 "$tools/corpus_dictionary.py" words/usr/share/dict/ukrainian "$dir/train/uk-words.txt"
python3 "$tools/corpus_dictionary.py" words/usr/share/dict/bulgarian "$dir/train/bg-words.txt"
python3 -m pip download --quiet --no-deps --no-binary :all: jieba==0.42.1
echo "055ca12f62674fafed09427f176506079bc135638a14e23e25be909131928db2  jieba-0.42.1.tar.gz" |
  sha256sum --check --quiet
tar -xzf jieba-0.42.1.tar.gz
python3 "$tools/corpus_words.py" jieba-0.42.1/jieba/dict.txt "$dir/train/zh-words.txt"
# A novel, The House on the Borderland, out of the tests of a package of npm's.
npm pack --silent gutenberg@0.8.0 >/dev/null
echo "2ac2442c4860c11727f9f5b84305ba4946ea574ce03683b32e265167a93f9f6b  gutenberg-0.8.0.tgz" | sha256sum --check --quiet
tar -xzf gutenberg-0.8.0.tgz package/test/samples/catalog/1/0/0/0
python3 "$tools/corpus_book.py" package/test/samples/catalog/1/0/0/0/10002/10002.txt "$dir/held-out/book.txt"
mkdir align
for p in "${align[@]}"; do
  dpkg -x "$p"_*.deb "align/$p"
done
python3 "$tools/corpus_alignment.py" align package/test/samples "$dir/train/en.txt" "$dir/align"
