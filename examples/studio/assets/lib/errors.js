// What the server says is wrong, in Chinese. The server says it in English, with the names and
// numbers that matter; they are taken over. tests/browser holds this against real answers.
import { lang, number } from "./i18n.js";

// Each pattern is one kind of message; `$1` is filled in with what its first group found.
const ZH = [
  // Uploads
  [/^(.+?): the document is empty: it has 0 bytes/s, "“$1”是空的。"],
  [/^(.+?): the document is empty: binary data/s, "“$1”是二进制数据，不是文本。请先转换成支持的格式。"],
  [/^(.+?): the document is empty: it holds only white space/s, "“$1”里只有空白。"],
  [/^(.+?): the document is empty: the DOCX has no text/s, "“$1”里没有文字。"],
  [/^(.+?): the document is empty: the PDF has no pages/s, "“$1”没有页面。"],
  [/^(.+?): the document is empty: no page of the PDF has text or an image/s, "“$1”的页面上既没有文字，也没有图片。"],
  [/^(.+?): the document is empty/s, "“$1”里没有可读的内容。"],
  [/^(.+?): expected TXT, Markdown, PDF, DOCX, PNG or JPEG, found (.+?); /s, "“$1”不是 TXT、Markdown、PDF、DOCX、PNG 或 JPEG，而像是：$2。"],
  [/^(.+?): expected a DOCX file, found the older binary DOC/s, "“$1”是旧式的 DOC 文件，请另存为 DOCX。"],
  [/^(.+?): not valid (\S+) at byte offset (\d+)/s, "“$1”不是有效的 $2 文本（第 $3 字节处有误），请先转换编码。"],
  [/^(.+?): bytes in the file: (\d+), over the limit of (\d+)/s, "“$1”有 $2 字节，上限为 $3 字节，请拆分。"],
  [/^(.+?): bytes unpacked from the DOCX .*? (\d+), over the limit of (\d+)/s, "“$1”解压后有 $2 字节，上限为 $3 字节。"],
  [/^(.+?): bytes of text: (\d+), over the limit of (\d+)/s, "“$1”的文本有 $2 字节，上限为 $3 字节，请拆分。"],
  [/^(.+?): pixels in the image: (\d+), over the limit of (\d+)/s, "图片“$1”有 $2 像素，上限为 $3 像素，请缩小。"],
  [/^(.+?): pixels of all page images: (\d+), over the limit of (\d+)/s, "所有页面图片共 $2 像素，上限为 $3 像素，请拆分。"],
  [/^(.+?): .*? (\d+), over the limit of (\d+)/s, "“$1”太大：$2，上限为 $3，请拆分。"],
  [/^(.+?): not a readable PNG or JPEG image/s, "图片“$1”无法读取，请更换或去掉它。"],
  [/^(.+?): the PDF is encrypted/s, "PDF 文件“$1”有密码，请先去掉密码。"],
  [/^(.+?): the (DOCX|zip archive) is encrypted/s, "“$1”有密码，请先去掉密码。"],
  [/^(.+?): damaged (\S+): /s, "$2 文件“$1”已损坏，请重新导出或下载。"],
  [/^(.+?): page (\d+) has no text and cannot be drawn/s, "“$1”第 $2 页没有文字，也无法绘制。请把页面转成 PNG 图片后上传。"],
  [/^opening it took more than (\d+) s/, "打开文件用了超过 $1 秒，已停止。"],
  [/^it could not be opened within (\d+) MB of memory/, "用 $1 MB 内存无法打开这个文件。"],
  [/^about (\d+) pages, over the limit of (\d+)/, "约有 $1 页，上限为 $2 页，请拆分。"],
  [/^an upload may have (\d+) bytes/, "上传的内容超过 $1 字节的上限。"],
  [/^more than (\d+) files/, "文件超过 $1 个。"],
  [/^the upload took more than (\d+) s to arrive/, "上传用了超过 $1 秒，已停止。"],
  [/^several files are the pages of one document.*found "(.+)"/s, "多个文件会合成一份文档，因此必须都是 PNG 或 JPEG 图片；“$1”不是。"],
  [/^(\d+) pixels so far, over the limit of (\d+)/, "图片共有 $1 像素以上，上限为 $2 像素，请减少图片。"],
  [/too large|length limit exceeded/, "内容超过服务器的上限。"],
  // Tasks
  [/^question: expected at most (\d+) characters, found (\d+)/, "问题最多 $1 个字符，现有 $2 个。"],
  [/the question contains no word to look for/, "问题里没有可以查找的词语。"],
  [/^sentences: expected (\d+) to (\d+), found (\d+)/, "句数须在 $1 到 $2 之间，现为 $3。"],
  [/^fields: expected at most (\d+) names of at most (\d+) bytes/, "字段最多 $1 个，每个名称最多 $2 字节。"],
  [/^writer: expected one of the server's .*?found "(.+)"/s, "服务器上没有撰写模型“$1”。"],
  [/^the model of "(.+)" cannot be loaded/, "撰写模型“$1”无法载入，服务器日志中有原因。"],
  [/^schema: a schema is filled in by a writer/, "模式须由撰写模型填写，请先选择模型。"],
  [/^the model (.+) wrote no complete (\S+): /s, "模型 $1 没有写完 $2。"],
  [/^no text found: the document has (\d+) page/, "文档的 $1 页上没有找到文字。请确认文字是浅底深字、方向端正。"],
  [/^the pages cost (\d+) vision tokens, \d+ more than the (\d+)/, "这些页面需要 $1 个视觉词元，模型最多容纳 $2 个。请设定视觉词元上限。"],
  [/^the run took more than (\d+) s/, "运行超过 $1 秒，已停止。"],
  [/^cancelled after (\d+) page/, "读完 $1 页后停止。"],
  [/^(\d+) requests run or wait already/, "已有 $1 个请求在运行或等待。请稍后再试，或加入队列。"],
  [/^(\d+) jobs are queued already/, "队列中已有 $1 个任务，请稍后再试。"],
  [/^more than (\d+) requests a minute/, "每分钟的请求超过 $1 次，请稍候。"],
  [/^its worker was lost, (\d+) times/, "执行它的进程中断了 $1 次。"],
  [/^a job that is (\w+) cannot be/, "任务已处于“$1”状态，无法这样做。"],
  // Styles
  [/^render\.watermark: expected at most (\d+) characters/, "水印最多 $1 个字符。"],
  [/^render\.(\w+): expected (\S+) to (\S+)(?: \w+)?, found (\S+)/, "版式选项 $1 须在 $2 到 $3 之间，现为 $4。"],
  [/^render option "(\w+)" = (.+?): expected (?:a number )?from (\S+) to (\S+)/, "版式选项 $1 须在 $3 到 $4 之间，现为 $2。"],
  [/^render option "(\w+)" = (.+?): expected (.+)/s, "版式选项 $1 不能是 $2。"],
  [/^about (\d+) pages of (\d+)x(\d+) pixels in this style/, "此版式约有 $1 页，每页 $2×$3 像素，太大了。请用小一些的字号或分辨率。"],
  // The rest
  [/^there is no document/, "这份文档不存在。"],
  [/^there is no job/, "这个任务不存在。"],
  [/^there is no (page|rendering)/, "这个页面不存在。"],
  [/^there is no /, "找不到所请求的内容。"],
  [/^the server could not do this/, "服务器无法完成，日志中有原因。"],
  [/^expected one of the server's keys/, "服务器不接受这个密钥。"],
  [/^expected localhost as the host/, "不能用这个主机名访问服务器。"],
  [/^expected a request of this server's own page/, "请求不是来自本页面。"],
];

const STATES = { queued: "等待中", running: "运行中", done: "完成", failed: "失败", cancelled: "已停止", dead: "已放弃" };

/** The server's message in the reader's language; as it is where no pattern knows it. */
export function said(message) {
  if (lang() !== "zh" || !message) return message;
  for (const [pattern, text] of ZH) {
    const found = pattern.exec(message);
    if (found) return text.replace(/\$(\d)/g, (_, i) => value(found[i] ?? ""));
  }
  return message;
}

const value = (text) => STATES[text] ?? (/^\d{4,}$/.test(text) ? number(Number(text)) : text);
