"""Turns unpacked Debian documentation packages into plain text:
SRC DEST HELD_OUT_PACKAGE... -- CALIBRATION_PACKAGE..."""
import gzip, html, pathlib, re, sys

src, dest = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
end = sys.argv.index("--")
held_out, calibration = set(sys.argv[3:end]), set(sys.argv[end + 1:])


def strip_html(s):
    s = re.sub(r"(?is)<(script|style|head).*?</\1>", " ", s)
    s = re.sub(r"(?i)</(p|div|li|h\d|tr|pre|dt|dd)>|<br ?/?>", "\n", s)
    return html.unescape(re.sub(r"(?s)<[^>]+>", "", s))


def strip_roff(s):
    out = []
    for line in s.splitlines():
        if line.startswith((".\\\"", "'\\\"")):
            continue
        line = re.sub(r"^\.[A-Za-z]+ ?", "", line)
        line = re.sub(r"\\f[BIRP]|\\f\([A-Z]+|\\s[-+]?\d|\\&|\\c", "", line)
        out.append(line.replace("\\-", "-").replace("\\(co", "©").replace("\\e", "\\"))
    return "\n".join(out)


def text_of(path):
    data = path.read_bytes()
    name = path.name
    if name.endswith(".gz"):
        data, name = gzip.decompress(data), name[:-3]
    try:
        s = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if name.endswith((".html", ".htm")):
        return strip_html(s)
    if re.search(r"\.\d[a-z]*$", name):
        return strip_roff(s)
    return s if name.endswith(".txt") else ""


parts = {}
for path in sorted(src.rglob("*")):
    if not path.is_file() or path.is_symlink():
        continue
    package = path.relative_to(src).parts[0]
    # Of the installation guide the languages that no other package has; its last chapters of three
    # are held out.
    guide = re.search(r"/installation-guide-amd64/(\w+)/(\w+)\.html$", str(path))
    if package.startswith("installation-guide") and not (
        guide and guide[1] in ("ca", "cs", "da", "el", "nl", "pt", "ro", "ru", "sv")
    ):
        continue
    guide_held_out = bool(guide) and guide[1] in ("cs", "el", "ro") and guide[2] >= "ch07"
    if package in ("debian-faq-ru", "maint-guide-ru", "developers-reference-ru") and not path.name.endswith((".txt", ".txt.gz")):
        continue
    european = guide or re.search(r"html/(de-DE|fr-FR|es-ES|nb-NO)/", str(path))
    european = european or re.search(r"-(de|fr|es|it|pt)$", package)
    if "handbook" in package and not european and not re.search(r"html/(en-US|zh-CN)/", str(path)):
        continue
    if package in held_out and not path.name.endswith((".txt.gz", ".txt")):
        continue
    if package in calibration and not path.name.endswith((".en.txt.gz", ".zh-cn.txt.gz")):
        continue
    if "faq" in package and not path.name.endswith((".txt.gz", ".html")):
        continue
    s = text_of(path)
    s = "\n".join(" ".join(line.split()) for line in s.splitlines() if line.strip())
    if len(s) < 400:
        continue
    han = sum("\u4e00" <= c <= "\u9fff" for c in s) / len(s)
    other = {"el": r"[\u0370-\u03ff]", "ru": r"[\u0400-\u04ff]"}
    other = [l for l, letters in other.items() if len(re.findall(letters, s)) > 0.3 * len(s)]
    kind = "held-out" if package in held_out or guide_held_out else "calibration" if package in calibration else "train"
    language = other[0] if other else "zh" if han > 0.15 else "eu" if european else "en"
    parts.setdefault((kind, language), []).append(s)
for (kind, lang), texts in parts.items():
    out = dest / kind / f"{lang}.txt"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(texts), encoding="utf-8")
    print(out, sum(map(len, texts)), "characters")
