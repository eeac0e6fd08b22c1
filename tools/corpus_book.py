#!/usr/bin/env python3
"""Turns a plain-text book of Project Gutenberg into one line a paragraph.

    corpus_book.py BOOK.txt OUT.txt

The licence before and after the book is left out. Underscores, which stand for italics, are too.
"""

import re
import sys
from pathlib import Path

book, out = map(Path, sys.argv[1:])
text = book.read_text(encoding="latin-1").replace("\r\n", "\n")
start = re.search(r"\*\*\* ?START OF TH(E|IS) PROJECT GUTENBERG.*?\n", text, re.IGNORECASE)
end = re.search(r"\n(\*\*\* ?)?END OF (THE|THIS) PROJECT GUTENBERG", text, re.IGNORECASE)
if start is None or end is None:
    sys.exit(f"{book}: expected the marks of Project Gutenberg before and after the book")
paragraphs = re.split(r"\n\s*\n", text[start.end() : end.start()])
lines = (" ".join(p.replace("_", "").split()) for p in paragraphs)
out.write_text("".join(line + "\n" for line in lines if line), encoding="utf-8")
