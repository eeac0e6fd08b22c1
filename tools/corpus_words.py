"""Writes lines of random Chinese words by their frequency: DICT OUT [LINES]

DICT is the dictionary of jieba (lines of `word frequency tag`). Documentation, which most of the
training text is, uses few of the characters that novels and letters use; these lines teach the
reader what is common elsewhere. The same dictionary gives the same lines.
"""
import random, sys

source, dest = sys.argv[1], sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 60_000

words, weights = [], []
for line in open(source, encoding="utf-8"):
    word, frequency, *_ = line.split(" ")
    try:
        word.encode("gb2312")
    except UnicodeEncodeError:
        continue
    if all("\u4e00" <= c <= "\u9fff" for c in word):
        words.append(word)
        # Flatter than life, so that rare words come up at all.
        weights.append((int(frequency) + 1) ** 0.6)
rng = random.Random(1)
# A line of 48 characters has 48 words at most.
drawn = iter(rng.choices(words, weights, k=48 * count))
with open(dest, "w", encoding="utf-8") as out:
    for _ in range(count):
        line = ""
        while len(line) < 48:
            line += next(drawn)
            if rng.random() < 0.1:
                line += rng.choice("，，，。、：；")
        out.write(line + "\n")
print(dest, count, "lines of", len(words), "words")
