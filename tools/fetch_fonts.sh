#!/usr/bin/env bash
# Fetches the fonts that rows in other hands are drawn in, from Debian's packages, into DIR/train,
# two families that no training run sees into DIR/held-out, and some to calibrate with, which are
# neither trained on nor measured with, into DIR/calibration (default: out/fonts). Liberation Serif
# is held out too, but FreeSerif and TeX Gyre Termes are of the same design.
# Needs: apt-get, dpkg. Nothing of it is committed; each font has its own licence.
set -euo pipefail
dir=$(mkdir -p "${1:-out/fonts}" && cd "${1:-out/fonts}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq fonts-liberation fonts-freefont-ttf fonts-noto-core fonts-noto-cjk \
  fonts-dejavu-core fonts-dejavu-extra fonts-crosextra-carlito fonts-crosextra-caladea \
  fonts-roboto-unhinted fonts-lato fonts-open-sans fonts-inconsolata fonts-linuxlibertine \
  fonts-texgyre fonts-hack fonts-arphic-uming fonts-arphic-ukai fonts-wqy-microhei \
  fonts-wqy-zenhei fonts-arphic-gbsn00lp fonts-lxgw-wenkai \
  fonts-arphic-gkai00mp fonts-hanazono fonts-sil-gentiumplus fonts-urw-base35 fonts-firacode
for p in *.deb; do
  dpkg -x "$p" x
done
take() {
  local to=$1 name found
  shift
  mkdir -p "$dir/$to"
  for name; do
    found=$(find x -name "$name.tt[fc]" -o -name "$name.otf" | sort | head -n 1)
    [ -n "$found" ] || { echo "no font $name in the packages" >&2; exit 1; }
    cp "$found" "$dir/$to/"
  done
}
take train LiberationSans-{Regular,Bold,Italic} LiberationMono-Regular \
  FreeSerif FreeSerifItalic FreeSerifBold FreeSans FreeMono \
  DejaVuSans DejaVuSansMono DejaVuSerif DejaVuSans-Bold DejaVuSansMono-Bold DejaVuSansCondensed \
  Carlito-Regular Caladea-Regular Roboto-Regular RobotoCondensed-Regular Lato-Regular \
  OpenSans-Regular Inconsolata LinLibertine_R Hack-Regular \
  texgyre{pagella,bonum,schola,termes,heros}-regular texgyrecursor-bold \
  uming ukai wqy-microhei wqy-zenhei gbsn00lp LXGWWenKai-Regular NotoSerifCJK-Regular
take calibration GentiumPlus-Regular NimbusRoman-Regular NimbusSans-Regular \
  NimbusMonoPS-Regular FiraCode-Regular gkai00mp HanaMinA
take held-out NotoSans-Regular NotoSerif-Regular LiberationSerif-Regular NotoSansCJK-Regular
echo "$(find "$dir/train" -type f | wc -l) fonts in $dir/train, $(find "$dir/held-out" -type f | wc -l) in $dir/held-out, $(find "$dir/calibration" -type f | wc -l) in $dir/calibration"
