#!/usr/bin/env python3
"""Writes the English that image and text are aligned on, one passage a line:
UNPACKED_PACKAGES BOOKS_FOLDER MANUALS.txt DEST

DEST/sentences.txt  sentences of manuals, of WordNet's glosses and examples, of books of Project
                    Gutenberg without the one that is held out, and of a long political FAQ
DEST/words.txt      the frequent words of all of these, so that each is learned by itself too
DEST/synonyms.tsv   word, tab, a synonym in its most frequent sense: for paraphrases
"""

import collections
import gzip
import html
import random
import re
import sys
from pathlib import Path

packages, books, manuals, dest = map(Path, sys.argv[1:])
HELD_OUT = "10002"
COUNTS = {"manuals": 9000, "wordnet": 9000, "books": 7000, "faq": 5000}
WORDS = 45000
PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


def sentences(text):
    for paragraph in text.split("\n"):
        paragraph = " ".join(paragraph.split())
        for s in re.split(r'(?<=[.!?])["\')]* +(?=["\'(A-Z])', paragraph):
            s = s.strip()
            prose = sum(c.isalpha() or c == " " for c in s)
            if 25 <= len(s) <= 190 and len(s.split()) >= 4 and s.isascii() and prose > 0.8 * len(s):
                yield s


def of_books():
    for path in sorted(books.rglob("*.txt")):
        if HELD_OUT in path.name or "-8" in path.name:
            continue
        text = path.read_text(encoding="latin-1").replace("\r\n", "\n")
        start = re.search(r"\*\*\* ?START OF TH(E|IS) PROJECT GUTENBERG.*?\n", text, re.IGNORECASE)
        end = re.search(r"\n(\*\*\* ?)?END OF (THE|THIS) PROJECT GUTENBERG", text, re.IGNORECASE)
        if start and end:
            paragraphs = re.split(r"\n\s*\n", text[start.end() : end.start()])
            yield from sentences("\n".join(" ".join(p.replace("_", "").split()) for p in paragraphs))


def of_wordnet(folder):
    for path in sorted(folder.glob("data.*")):
        for line in path.read_text(encoding="latin-1").splitlines():
            if not line.startswith("  ") and "|" in line:
                for part in re.split(r'; (?=")', line.split("|", 1)[1].strip()):
                    part = part.strip().strip('"')
                    if 20 <= len(part) <= 190 and part.isascii():
                        yield part


def of_faq(folder):
    for path in sorted(p for p in folder.rglob("*") if p.name.endswith((".html", ".html.gz"))):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "ignore")
        text = re.sub(r"(?i)</(p|div|li|h\d)>", "\0", text).replace("\n", " ").replace("\0", "\n")
        yield from sentences(html.unescape(re.sub(r"(?s)<[^>]+>", "", text)).translate(PLAIN))


def synonyms(folder):
    """Words of at most three senses whose most frequent one has another single word."""
    for kind in ["noun", "verb", "adj", "adv"]:
        synsets = {}
        for line in (folder / f"data.{kind}").read_text(encoding="latin-1").splitlines():
            if not line.startswith("  "):
                head = line.split("|")[0].split()
                words = head[4 : 4 + 2 * int(head[3], 16) : 2]
                synsets[head[0]] = [re.sub(r"\(.*", "", w) for w in words]
        for line in (folder / f"index.{kind}").read_text(encoding="latin-1").splitlines():
            parts = line.split()
            if line.startswith("  ") or int(parts[2]) > 3:
                continue
            word, senses = parts[0], int(parts[2])
            others = [o for o in synsets.get(parts[-senses], []) if o != word]
            others = [o for o in others if re.fullmatch(r"[a-z]{3,}", o)]
            if re.fullmatch(r"[a-z]{4,}", word) and others:
                yield word, others[0]


def write(name, lines):
    dest.mkdir(parents=True, exist_ok=True)
    (dest / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(dest / name, len(lines), "lines")


wordnet = next((packages / "wordnet-base").rglob("data.noun")).parent
sources = {
    "manuals": sentences(manuals.read_text(encoding="utf-8")),
    "wordnet": of_wordnet(wordnet),
    "books": of_books(),
    "faq": of_faq(packages / "anarchism"),
}
random.seed(1)
counts = collections.Counter()
chosen = []
for name, found in sources.items():
    found = list(dict.fromkeys(found))
    random.shuffle(found)
    for sentence in found:
        counts.update(re.findall(r"[a-z0-9]+", sentence.lower()))
    chosen += found[: COUNTS[name]]
random.shuffle(chosen)
write("sentences.txt", chosen)
write("words.txt", [w for w, n in counts.most_common(WORDS) if n > 1 and len(w) > 1])
pairs = {}
for word, other in synonyms(wordnet):
    pairs.setdefault(word, other)
write("synonyms.tsv", [f"{a}\t{b}" for a, b in sorted(pairs.items())])
