"""Text to PDF by reportlab, PDF to grey pages by pdf2image, as published Glyph renders pages.

Usage: reportlab_pdf2image.py FILE DPI FONT_SIZE
"""

import io
from xml.sax.saxutils import escape

from pdf2image import convert_from_bytes
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate

from common import HAN, LATIN, MARGIN, arguments, cpu_seconds, is_han, report


def main():
    text, dpi, size = arguments()
    pdfmetrics.registerFont(TTFont("body", HAN if is_han(text) else LATIN))
    style = ParagraphStyle(
        "body",
        fontName="body",
        fontSize=size,
        leading=size + 1,
        wordWrap="CJK" if is_han(text) else None,
    )
    start = cpu_seconds()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=(595, 842),
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
    )
    document.build([Paragraph(escape(line) or "&nbsp;", style) for line in text.split("\n")])
    pages = convert_from_bytes(buffer.getvalue(), dpi=dpi)
    pages = [page.convert("L") for page in pages]
    seconds = cpu_seconds() - start
    area = pages[0].width * pages[0].height
    report("reportlab + pdf2image: draw", len(text), len(pages), seconds, area)


main()
