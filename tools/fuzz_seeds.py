"""Writes the seeds of the fuzz targets (glyph-render/tests/fuzz/corpus) and examples/tests/lighthouse.docx.

pip install fonttools reportlab pillow python-docx
"""
import io, os, zipfile, json, sys
from fontTools.subset import Subsetter, Options
from fontTools.ttLib import TTFont
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
root=os.path.join(os.path.dirname(os.path.abspath(__file__)),'..')
os.chdir(os.path.join(root,'glyph-render/tests/fuzz/corpus'))
src='../../../assets/fonts/dejavu-sans.ttf'
f=TTFont(src); o=Options(); o.hinting=False; o.name_IDs=[]; o.layout_features=[]; o.notdef_outline=True
s=Subsetter(o); s.populate(text='Thé3x.'); s.subset(f); f.save('font/truetype_with_components.ttf')
g=f.getGlyphSet(); cmap=f.getBestCmap(); names=['.notdef']+sorted(set(cmap.values())-{'.notdef'})
fb=FontBuilder(f['head'].unitsPerEm,isTTF=False); fb.setupGlyphOrder(names); fb.setupCharacterMap({c:n for c,n in cmap.items()})
cs={}
for n in names:
    p=T2CharStringPen(g[n].width,g); g[n].draw(p); cs[n]=p.getCharString()
fb.setupCFF('A',{},cs,{}); fb.setupHorizontalMetrics({n:(g[n].width,0) for n in names}); fb.setupHorizontalHeader(ascent=1900,descent=-480); fb.setupOS2(); fb.setupPost(keepGlyphNames=False)
fb.font.save('font/postscript.otf')
from reportlab.pdfgen import canvas
from reportlab.lib.pdfencrypt import StandardEncryption
from PIL import Image
from reportlab.lib.utils import ImageReader
def pdf(name,enc=None,comp=1):
    c=canvas.Canvas(name,pagesize=(200,200),encrypt=enc,pageCompression=comp,invariant=1)
    c.setTitle('t'); c.drawString(10,180,'Hello (world) 123'); c.drawString(10,160,'second line'); c.showPage()
    im=Image.new('L',(8,8),200); c.drawImage(ImageReader(im),10,10,100,100); c.showPage(); c.save()
pdf('pdf/text_and_image.pdf'); pdf('pdf/plain_streams.pdf',comp=0); pdf('pdf/encrypted.pdf',enc=StandardEncryption('a',ownerPassword='b'))
w='xmlns:w="w"'
doc=f'<?xml version="1.0"?><w:document {w}><w:body><w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>Title</w:t></w:r></w:p><w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t xml:space="preserve">a &amp; b</w:t><w:tab/><w:br/></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl><w:p><w:ins><w:r><w:t>x</w:t></w:r></w:ins><w:del><w:r><w:delText>y</w:delText></w:r></w:del></w:p></w:body></w:document>'
num=f'<w:numbering {w}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="1"><w:start w:val="3"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
sty=f'<w:styles {w}><w:style w:styleId="H"><w:name w:val="heading 1"/><w:basedOn w:val="H"/></w:style></w:styles>'
open('docx/parts.xml','wb').write(b'\0'.join(x.encode() for x in (doc,num,sty)))
for comp,n in((zipfile.ZIP_DEFLATED,'deflated'),(zipfile.ZIP_STORED,'stored')):
    z=zipfile.ZipFile(f'docx/{n}.docx','w',comp)
    for name,x in(('word/document.xml',doc),('word/numbering.xml',num),('word/styles.xml',sty)):
        i=zipfile.ZipInfo(name,(1980,1,1,0,0,0)); i.compress_type=comp; z.writestr(i,x)
    z.close()
# a zip bomb of one megabyte of blanks, 100 times its size
z=zipfile.ZipFile('docx/bomb.docx','w',zipfile.ZIP_DEFLATED); i=zipfile.ZipInfo('word/document.xml',(1980,1,1,0,0,0)); i.compress_type=8; z.writestr(i,f'<w:document {w}>'+' '*6_000_000); z.close()
cfg={'all_keys':{"page-size":"300,200","dpi":80,"margin-x":10,"margin-y":10,"font-size":9,"line-height":10,"font-color":"#102030","page-bg-color":"#F0F0F0","alignment":"JUSTIFY","horizontal-scale":0.9,"first-line-indent":3,"left-indent":1,"right-indent":1,"space-before":1,"space-after":1,"auto-crop-width":True,"auto-crop-last-page":True,"newline-markup":"<br/>","max-tokens-per-page":100,"antialias":False},
'preset':{"preset":"dense","font-size":7},'builtin':{"preset":"builtin"},'mark':{"newline-markup":"<font color=\"#FF0000\"> \n </font>","page-size":[200,100]},'tiny':{"page-size":"8,8","margin-x":0,"margin-y":0,"font-size":2,"line-height":2}}
for n,v in cfg.items(): json.dump(v,open(f'config/{n}.json','w'))
for m in ('L','RGBA','P','1','I;16'):
    im=Image.new(m,(13,7)); im.save('image/'+m.replace(';','_')+'.png')
Image.new('RGB',(16,8),(9,99,200)).save('image/rgb.jpg')
open('invert/style_0.bin','wb').write(bytes([0])+bytes([0,0,9,0,0,1,77,255]))
open('invert/style_1.bin','wb').write(bytes([1])+bytes([0,0,9,0,0,2,77,250]))
open('invert/reversed.bin','wb').write(bytes([2]))
open('invert/truncated.bin','wb').write(bytes([5]))

# A DOCX as another program writes it, for examples/tests/documents.rs.
from docx import Document
d=Document(); d.core_properties.title='Lighthouse'
t=open('../../../../docs/samples/lighthouse.txt').read()
paras=[p.replace('\n',' ').strip() for p in t.split('\n\n') if p.strip()]
d.add_heading(paras[0],1)
for p in paras[1:]: d.add_paragraph(p)
d.add_heading('Buildings',2)
d.add_paragraph("The keeper's house measures 12 by 9 metres.",style='List Bullet')
t=d.add_table(rows=1,cols=2); t.rows[0].cells[0].text='Tower'; t.rows[0].cells[1].text='31 m'
d.save('../../../../examples/tests/lighthouse.docx')
