#!/usr/bin/env python3
"""Cuts the fonts that `glyph-render` embeds out of two Debian packages.

    python3 tools/subset_fonts.py FOLDER [OUT]

FOLDER is the root under which the Debian packages `fonts-dejavu-core` and
`fonts-droid-fallback` lie unpacked (`/` on a machine that has them installed,
or a folder filled by `dpkg -x fonts-dejavu-core_*.deb FOLDER`). OUT defaults to
`glyph-render/assets/fonts` beside this script's repository root.

The Han characters are split by how often they occur, because fontdue parses
every glyph of a font when it is loaded: a chunk is loaded only when a page
needs it. The chunks are disjoint. No hints and no layout tables are kept
(fontdue reads neither). Needs fonttools.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont


def span(*ranges):
    out = set()
    for first, last in ranges:
        out.update(range(first, last + 1))
    return out


def gb2312(first_row, last_row):
    out = set()
    for row in range(first_row, last_row + 1):
        for column in range(1, 95):
            try:
                out.add(ord(bytes([0xA0 + row, 0xA0 + column]).decode("gb2312")))
            except UnicodeDecodeError:
                pass
    return out


TEXT = span(
    (0x20, 0x7E), (0xA0, 0x52F),        # Latin, IPA, modifiers, combining, Greek, Cyrillic
    (0x1D00, 0x1DBF), (0x1E00, 0x1FFF),  # phonetic, Latin additional, Greek extended
    (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF),  # punctuation, super/subscripts, currency
    (0x2100, 0x214F), (0x2150, 0x218F),  # letterlike, number forms
    (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2300, 0x23FF),  # arrows, math, technical
    (0x2500, 0x257F), (0x2580, 0x259F), (0x25A0, 0x25FF),  # box drawing, blocks, geometric
    (0x2600, 0x26FF), (0x2700, 0x27BF),  # miscellaneous symbols, dingbats
    (0x27C0, 0x27FF), (0x2900, 0x2BFF),  # more math and arrows
    (0x2C60, 0x2C7F), (0x2E00, 0x2E7F), (0xA640, 0xA69F), (0xA700, 0xA7FF),
    (0xFB00, 0xFB06), (0xFFFC, 0xFFFD),
)
SANS_ONLY = span((0x530, 0x58F), (0x10A0, 0x10FF), (0x2400, 0x24FF), (0x2800, 0x28FF),
                 (0x1D400, 0x1D7FF), (0x1F600, 0x1F64F))
HAN_SYMBOLS = (gb2312(1, 9) | span(
    (0x3000, 0x303F), (0x3040, 0x30FF), (0x3105, 0x312F), (0x31F0, 0x31FF),
    (0x3200, 0x33FF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF)))
URO = span((0x4E00, 0x9FFF))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    root = Path(sys.argv[1]) / "usr/share"
    default = Path(__file__).resolve().parent.parent / "glyph-render/assets/fonts"
    out = Path(sys.argv[2]) if len(sys.argv) == 3 else default
    out.mkdir(parents=True, exist_ok=True)
    dejavu = root / "fonts/truetype/dejavu"
    droid = root / "fonts/truetype/droid/DroidSansFallbackFull.ttf"
    level1 = HAN_SYMBOLS | gb2312(16, 55)
    level2 = gb2312(56, 87) - level1
    jobs = [
        ("dejavu-sans-mono.ttf", dejavu / "DejaVuSansMono.ttf", TEXT),
        ("dejavu-sans.ttf", dejavu / "DejaVuSans.ttf", TEXT | SANS_ONLY),
        ("droid-gb1.ttf", droid, level1),
        ("droid-gb2.ttf", droid, level2),
        ("droid-uro.ttf", droid, URO - level1 - level2),
        ("droid-ext.ttf", droid,
         span((0x2E80, 0x2FDF), (0x3400, 0x4DBF), (0xF900, 0xFAFF)) - level1 - level2),
    ]
    for name, source, characters in jobs:
        options = subset.Options(
            hinting=False, layout_features=[], glyph_names=False, name_IDs=[0, 1, 2, 13, 14],
            notdef_outline=False, recalc_timestamp=False, legacy_cmap=False, symbol_cmap=False,
        )
        options.drop_tables += ["GSUB", "GPOS", "GDEF", "kern", "FFTM", "DSIG", "vhea", "vmtx", "VORG"]
        font = TTFont(source, recalcTimestamp=False)
        wanted = characters & set(font.getBestCmap())
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=wanted)
        cutter.subset(font)
        subset.save_font(font, out / name, options)
        print(f"{name}: {len(wanted)} characters, {(out / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
