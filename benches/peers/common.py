"""What the peers share: arguments, fonts, line breaking, and the report."""

import os
import resource
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FONTS = os.path.join(ROOT, "glyph-render", "assets", "fonts")
LATIN = os.path.join(FONTS, "dejavu-sans.ttf")
HAN = os.path.join(FONTS, "droid-gb1.ttf")
MARGIN = 10  # points


def arguments():
    path, dpi, size = sys.argv[1:4]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return text, float(dpi), float(size)


def is_han(text):
    return any(c >= "\u2e80" for c in text[:100])


def cpu_seconds():
    """Processor time of this process and of those it has waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def report(name, characters, pages, seconds, bytes_per_page):
    print(
        f"{name}\t{characters / seconds:.0f}\t{pages / seconds:.1f}\t{bytes_per_page / 1024:.1f}",
        flush=True,
    )
