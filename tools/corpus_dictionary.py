"""Writes lines of random words of a dictionary that has one in each line: DICT OUT [LINES]

For alphabets of which there is little text. The same dictionary gives the same lines.
"""
import random, sys

source, dest = sys.argv[1], sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000

rng = random.Random(1)
words = [w for w in map(str.strip, open(source, encoding="utf-8")) if 1 < len(w) < 30]
with open(dest, "w", encoding="utf-8") as out:
    for _ in range(count):
        line = ""
        while len(line) < 96:
            word = rng.choice(words)
            style = rng.random()
            line += word.upper() if style < 0.05 else word.capitalize() if style < 0.15 else word
            line += rng.choice([", ", ". ", "; ", ": ", "? ", "! "]) if rng.random() < 0.15 else " "
        out.write(line.strip() + "\n")
print(dest, count, "lines of", len(words), "words")
