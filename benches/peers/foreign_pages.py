"""Pages as other programs make them, with the text that stands on each.

Usage: foreign_pages.py FONTS BOOK ENGLISH CHINESE OUT

FONTS is a folder with train/ and held-out/ (tools/fetch_fonts.sh), the texts are held-out ones
(tools/fetch_corpus.sh). Writes OUT/NAME.png and OUT/NAME.txt for each page: PDFs of reportlab
through poppler's pdftoppm, pages of HTML through headless Chromium (CHROMIUM names the program),
and drawings of Pillow.
"""

import html
import io
import os
import re
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas

FONTS, BOOK, ENGLISH, CHINESE, OUT = sys.argv[1:6]
CHROMIUM = os.environ.get("CHROMIUM", "chromium")


def paragraphs(path, least):
    """Runs of prose: lines joined until an empty one, white space single."""
    with open(path, encoding="utf-8") as file:
        blocks = re.split(r"\n\s*\n|(?<=[.。])\n", file.read())
    blocks = [" ".join(block.split()) for block in blocks]
    return [b for b in blocks if len(b) >= least and not re.search(r"[|=_#~]{3}|-{4}", b)]


class Source:
    """Hands out paragraphs, each once."""

    def __init__(self, path, least):
        self.left = paragraphs(path, least)[20:]

    def take(self, characters):
        out = []
        while sum(map(len, out)) < characters:
            out.append(self.left.pop(0))
        return out


def font(name):
    for folder in ("held-out", "train"):
        for ending in ("ttf", "otf", "ttc"):
            path = os.path.join(FONTS, folder, f"{name}.{ending}")
            if os.path.exists(path):
                return path
    sys.exit(f"no font {name} in {FONTS}; expected what tools/fetch_fonts.sh fetches")


def wrap(text, width, measure):
    """Lines of a paragraph that are at most so wide; between Han a line may end anywhere."""
    lines, line = [], ""
    for piece in re.findall(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef]+|\s+", text):
        if line and measure((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return lines + [line.rstrip()] if line.strip() else lines


def save(name, picture, lines):
    picture.save(os.path.join(OUT, f"{name}.png"))
    with open(os.path.join(OUT, f"{name}.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def pdf(name, source, face, points, dpi, columns=1):
    """A4 by reportlab, through pdftoppm in grey."""
    pdfmetrics.registerFont(TTFont(face, font(face)))
    measure = lambda text: pdfmetrics.stringWidth(text, face, points)
    margin, gap, leading = 60, 24, points * 1.25
    width = (595 - 2 * margin - (columns - 1) * gap) / columns
    bottom = 480 if columns == 1 else 560
    rows = int((842 - margin - bottom + 0.0) / leading)
    lines = []
    while len(lines) < rows * columns:
        for paragraph in source.take(1):
            lines += wrap(paragraph, width, measure)
    lines = lines[: rows * columns]
    data = io.BytesIO()
    page = canvas.Canvas(data, pagesize=(595, 842))
    page.setFont(face, points)
    for i, line in enumerate(lines):
        column, row = divmod(i, rows)
        page.drawString(margin + column * (width + gap), 842 - margin - (row + 1) * leading, line)
    page.save()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page")
        with open(f"{path}.pdf", "wb") as file:
            file.write(data.getvalue())
        subprocess.run(
            ["pdftoppm", "-r", str(dpi), "-gray", "-png", "-singlefile", f"{path}.pdf", path],
            check=True,
        )
        save(name, Image.open(f"{path}.png").convert("L"), lines)


def screenshot(name, source, family, pixels, style="", characters=1200, language="en"):
    """A page of HTML by Chromium."""
    text = source.take(characters)
    faces = "".join(
        f"@font-face {{ font-family: '{f}'; src: url('file://{os.path.abspath(font(f))}') }}"
        for f in family
    )
    names = ", ".join(f"'{f}'" for f in family)
    body = "".join(f"<p>{html.escape(p)}</p>" for p in text)
    page = (
        f"<!doctype html><html lang={language}><meta charset=utf-8><style>{faces}"
        f"body {{ font: {pixels}px/1.45 {names}; margin: 24px; width: 700px; {style} }}"
        f"</style><body>{body}</html>"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page")
        with open(f"{path}.html", "w", encoding="utf-8") as file:
            file.write(page)
        subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--allow-file-access-from-files",
                "--window-size=760,1000",
                f"--screenshot={path}.png",
                f"file://{path}.html",
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        save(name, Image.open(f"{path}.png").convert("L"), text)


def drawing(name, source, face, pixels, jagged=False, rows=24, ink=0, paper=255):
    """Lines drawn by Pillow, which hints as FreeType does."""
    index = 2 if face == "NotoSansCJK-Regular" else 0
    letters = ImageFont.truetype(font(face), pixels, index=index)
    lines = []
    while len(lines) < rows:
        for paragraph in source.take(1):
            lines += wrap(paragraph, 640, letters.getlength)
    lines = lines[:rows]
    pitch = round(pixels * 1.5)
    picture = Image.new("L", (700, rows * pitch + 40), paper)
    draw = ImageDraw.Draw(picture)
    if jagged:
        draw.fontmode = "1"
    for i, line in enumerate(lines):
        draw.text((30, 20 + i * pitch), line, font=letters, fill=ink)
    save(name, picture, lines)


def main():
    os.makedirs(OUT, exist_ok=True)
    book, english, chinese = Source(BOOK, 200), Source(ENGLISH, 200), Source(CHINESE, 60)
    pdf("pdf-times-10pt-96dpi", book, "LiberationSerif-Regular", 10, 96)
    pdf("pdf-times-12pt-150dpi", book, "LiberationSerif-Regular", 12, 150)
    pdf("pdf-helvetica-9pt-96dpi", english, "LiberationSans-Regular", 9, 96)
    pdf("pdf-helvetica-11pt-200dpi", english, "LiberationSans-Regular", 11, 200)
    pdf("pdf-courier-10pt-110dpi", english, "LiberationMono-Regular", 10, 110)
    pdf("pdf-noto-serif-11pt-120dpi", book, "NotoSerif-Regular", 11, 120)
    pdf("pdf-noto-sans-two-columns-9pt-144dpi", book, "NotoSans-Regular", 9, 144, columns=2)
    pdf("pdf-wqy-11pt-110dpi-zh", chinese, "wqy-microhei", 11, 110)
    screenshot("html-noto-sans-14px", english, ["NotoSans-Regular"], 14)
    screenshot("html-noto-serif-16px", book, ["NotoSerif-Regular"], 16)
    screenshot("html-liberation-sans-13px", english, ["LiberationSans-Regular"], 13)
    screenshot("html-dejavu-mono-12px", english, ["DejaVuSansMono"], 12)
    screenshot("html-dark-noto-sans-15px", book, ["NotoSans-Regular"], 15, "background: #1e1e1e; color: #d4d4d4")
    screenshot("html-grey-times-14px", book, ["LiberationSerif-Regular"], 14, "color: #555; background: #f4f1e8")
    screenshot("html-noto-cjk-16px-zh", chinese, ["NotoSansCJK-Regular"], 16, characters=600, language="zh")
    screenshot("html-noto-cjk-14px-zh", chinese, ["NotoSansCJK-Regular"], 14, characters=700, language="zh")
    drawing("draw-dejavu-sans-10px", english, "DejaVuSans", 10)
    drawing("draw-dejavu-sans-13px", english, "DejaVuSans", 13)
    drawing("draw-dejavu-mono-11px", english, "DejaVuSansMono", 11)
    drawing("draw-noto-sans-12px", book, "NotoSans-Regular", 12)
    drawing("draw-times-12px-jagged", book, "LiberationSerif-Regular", 12, jagged=True)
    drawing("draw-carlito-14px-pale", book, "Carlito-Regular", 14, ink=120, paper=235)
    drawing("draw-noto-cjk-14px-zh", chinese, "NotoSansCJK-Regular", 14)
    drawing("draw-uming-16px-zh", chinese, "uming", 16)


main()
