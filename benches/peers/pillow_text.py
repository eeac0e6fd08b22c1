"""The same text drawn line by line by Pillow, lines broken by the font's widths.

Usage: pillow_text.py FILE DPI FONT_SIZE
"""

import io

from PIL import Image, ImageDraw, ImageFont

from common import HAN, LATIN, MARGIN, arguments, cpu_seconds, is_han, report


def break_lines(text, font, width, han):
    """Greedy line breaking by summed advances, which are looked up once per word."""
    space = font.getlength(" ")
    widths = {}
    for paragraph in text.split("\n"):
        units = list(paragraph) if han else paragraph.split(" ")
        line, used = [], 0.0
        for unit in units:
            length = widths.get(unit)
            if length is None:
                length = widths[unit] = font.getlength(unit)
            gap = 0.0 if han or not line else space
            if line and used + gap + length > width:
                yield ("" if han else " ").join(line)
                line, used, gap = [], 0.0, 0.0
            line.append(unit)
            used += gap + length
        yield ("" if han else " ").join(line)


def main():
    text, dpi, size = arguments()
    han = is_han(text)
    scale = dpi / 72
    width, height = round(595 * scale), round(842 * scale)
    margin, leading = MARGIN * scale, (size + 1) * scale
    start = cpu_seconds()
    layout = ImageFont.Layout.BASIC
    font = ImageFont.truetype(HAN if han else LATIN, size * scale, layout_engine=layout)
    pages, draw, y = [], None, height
    for line in break_lines(text, font, width - 2 * margin, han):
        if y + leading > height - margin:
            page = Image.new("L", (width, height), 255)
            draw = ImageDraw.Draw(page)
            pages.append(page)
            y = margin
        draw.text((margin, y), line, font=font, fill=0)
        y += leading
    seconds = cpu_seconds() - start
    report("Pillow: draw", len(text), len(pages), seconds, width * height)
    start = cpu_seconds()
    size = 0
    sample = pages[:20]
    for page in sample:
        buffer = io.BytesIO()
        page.save(buffer, "PNG", compress_level=1)
        size += buffer.tell()
    seconds = cpu_seconds() - start
    share = len(sample) / len(pages)
    report("Pillow: encode PNG", len(text) * share, len(sample), seconds, size / len(sample))


main()
