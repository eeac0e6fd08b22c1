"""Reads pages with tesseract and rapidocr: ocr_peers.py DIR

For each DIR/NAME.png writes DIR/PEER/NAME.txt and DIR/PEER/NAME.json with the mean confidence of
words (tesseract) or lines (rapidocr), by characters, and the seconds that reading took. Names that
end in -zh are Chinese. tesseract's time holds the start of its process, for each page.
"""

import glob
import json
import os
import subprocess
import sys
import time

from rapidocr_onnxruntime import RapidOCR

FOLDER = sys.argv[1]


def tesseract(path, chinese):
    languages = "chi_sim+eng" if chinese else "eng"
    command = ["tesseract", path, "stdout", "-l", languages, "tsv"]
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines, parts = {}, []
    for row in rows.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            lines.setdefault(tuple(map(int, cells[1:5])), []).append(cells[11])
            parts.append((float(cells[10]) / 100, len(cells[11])))
    return [" ".join(words) for words in lines.values()], parts


ENGINE = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def rapidocr(path, chinese):
    found, _ = ENGINE(path)
    found = found or []
    return [text for _, text, _ in found], [(float(p), len(text)) for _, text, p in found]


def main():
    os.environ["OMP_THREAD_LIMIT"] = "1"
    paths = sorted(glob.glob(os.path.join(FOLDER, "*.png")))
    for name, read in (("tesseract", tesseract), ("rapidocr", rapidocr)):
        folder = os.path.join(FOLDER, name)
        os.makedirs(folder, exist_ok=True)
        read(paths[0], False)  # loads its models
        for path in paths:
            page = os.path.splitext(os.path.basename(path))[0]
            start = time.perf_counter()
            lines, parts = read(path, page.endswith("-zh"))
            seconds = time.perf_counter() - start
            total = sum(n for _, n in parts)
            confidence = sum(p * n for p, n in parts) / max(total, 1)
            with open(os.path.join(folder, f"{page}.txt"), "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            with open(os.path.join(folder, f"{page}.json"), "w", encoding="utf-8") as file:
                json.dump({"confidence": confidence, "seconds": seconds}, file)


main()
