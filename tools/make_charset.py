#!/usr/bin/env python3
"""Writes glyph-decode/assets/charset.txt: the characters that the built-in reader knows.

Line 1: the frequent ones (first softmax). Line 2: the rest (second softmax): all of GB2312, then the
other letters of Europe's Latin, Greek and Cyrillic alphabets, scripts of numbers, units and signs that
texts use.
The order is part of the trained weights: a change needs a new training run.
"""
import pathlib

head = [chr(c) for c in range(0x21, 0x7F)]
head += [chr(c) for c in range(0xA1, 0x100) if c != 0xAD]
head += list("–—‘’“”‚„•…†‡‰‹›€™←↑→↓↔⇒−≈≠≤≥∞√∑∏∫∂✓■□▪●○◆▲▼★☆")
head += list("─│┌┐└┘├┤┬┴┼═║")
head += list("，。、；：？！（）《》〈〉「」『』【】〔〕．～")
seen = set(head)
tail = []
for row in list(range(0xA1, 0xAA)) + list(range(0xB0, 0xF8)):
    for cell in range(0xA1, 0xFF):
        try:
            c = bytes([row, cell]).decode("gb2312")
        except UnicodeDecodeError:
            continue
        if c not in seen and not c.isspace():
            seen.add(c)
            tail.append(c)
europe = [chr(c) for c in range(0x100, 0x180) if chr(c) not in "ĲĳĸĿŀŉſ"]
signs = "ȘșȚțƒ₤₩₫₽₹₺₴⁰⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉⅓⅔⅛⅜⅝⅞⇔⇐∀∃∅∇∉⊂⊃⊆⊇✗☐☑☒㎡㎥㎏㎎㎜㎝㎞ℓ℉▶◀◦"
# Modern Greek, and the Cyrillic letters of Ukrainian, Belarusian, Serbian and Macedonian.
greek = "ΆΈΉΊΌΎΏΪΫάέήίόύώϊϋΐΰς"
cyrillic = "ЄІЇҐЎЂЈЉЊЋЏЃЌЅєіїґўђјљњћџѓќѕ"
for c in europe + list(signs) + list(greek + cyrillic):
    if c not in seen:
        seen.add(c)
        tail.append(c)
assert len(seen) == len(head) + len(tail) and len(head) == len(set(head))
path = pathlib.Path(__file__).parent.parent / "glyph-decode" / "assets" / "charset.txt"
path.write_text("".join(head) + "\n" + "".join(tail) + "\n", encoding="utf-8")
print(len(head), "head,", len(tail), "tail")
