// Glyph Studio's page from end to end, against the real server. Run by run.sh.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { OUT, ROOT, SAMPLES, Server, Window, browser } from "./support.mjs";

const LIGHTHOUSE = path.join(SAMPLES, "lighthouse.txt");
const TEA_GARDEN = path.join(SAMPLES, "tea_garden.txt");
const LONG = path.join(ROOT, "docs/architecture.md");

let chrome;
let server;

before(async () => {
  chrome = await browser();
  server = await new Server().start();
});

after(async () => {
  await chrome?.close();
  await server?.remove();
});

const windowed = (name, options, body) =>
  test(name, { timeout: 120_000 }, async () => {
    const window = await Window.open(chrome, server.url, options);
    try {
      await body(window, window.page);
    } catch (error) {
      await window.shot(`failed-${name.replaceAll(/\W+/g, "-")}`);
      throw error;
    }
    await window.close();
  });

windowed("a sample is asked at once, and its evidence is on the page", {}, async (window, page) => {
  await page.locator("[data-sample=lighthouse]").waitFor();
  await window.shot("welcome");
  assert.deepEqual(await window.audit(), []);
  await page.click("[data-sample=lighthouse]");
  await page.locator("#result[aria-busy=false] #answer").waitFor();
  assert.match(await page.textContent("#answer"), /between 1871 and 1874 by the engineer Isobel Tarrant/);
  // The token account and the times are those of this run.
  const account = await page.textContent(".accounts");
  assert.match(account, /fewer tokens than the text/);
  assert.match(account, /Scan/);
  // Boxed in the gallery, and in the strip cut out of the page.
  await page.locator("#gallery .overlay .box").first().waitFor({ state: "attached" });
  assert.ok((await page.locator("#gallery .overlay .heat").count()) > 0, "the scan is drawn as a heat map");
  await page.waitForFunction(() => document.querySelector(".strip image").getAttribute("href"));
  assert.deepEqual(await window.audit(), []);

  await page.locator(".evidence .card").first().click();
  assert.equal(await page.locator("#viewer[open] .mark").count(), 1);
  await page.waitForFunction(() => document.querySelector("#sheet img").naturalWidth > 0);
  await window.shot("viewer");
  assert.deepEqual(await window.audit(), []);
  const scale = () => page.textContent("#v-scale");
  const first = await scale();
  await page.keyboard.press("+");
  const second = await scale();
  assert.notEqual(second, first);
  await page.locator("#stage").hover();
  await page.mouse.wheel(0, -300);
  await page.waitForFunction((before) => document.querySelector("#v-scale").textContent !== before, second);
  await page.keyboard.press("h");
  assert.equal(await page.locator("#sheet .heat").count(), 0);
  await page.keyboard.press("h");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#viewer[open]").count(), 0);
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("card")), "the focus is back where it was");
});

windowed("Chinese is asked in Chinese", { locale: "zh-CN" }, async (window, page) => {
  assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
  await window.upload(TEA_GARDEN);
  assert.match(await window.ask("园中最老的茶树有多少年树龄？"), /三百年树龄/);
  await window.shot("chinese");
  assert.deepEqual(await window.audit(), []);
});

windowed("files are added by picker and by drop, and refused with a reason", {}, async (window, page) => {
  await window.upload(path.join(ROOT, "examples/tests/lighthouse.docx"));
  assert.match(await page.textContent("#about-document"), /DOCX/);

  const paper = await window.context.newPage();
  await paper.setContent("<h1>Ferry</h1><p>The ferry to Corran costs four pounds.</p>");
  const pdf = await paper.pdf();
  await paper.close();
  await window.upload({ name: "ferry.pdf", mimeType: "application/pdf", buffer: pdf });
  assert.match(await window.ask("What does the ferry to Corran cost?"), /four pounds/);

  const text = "The meeting is on Tuesday. The code of the door is 4711.";
  const transfer = await page.evaluateHandle((content) => {
    const data = new DataTransfer();
    data.items.add(new File([content], "door.txt", { type: "text/plain" }));
    return data;
  }, text);
  await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
  await page.locator("#dropveil").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  await page.locator("#about-document strong", { hasText: "door.txt" }).waitFor();
  assert.match(await window.ask("What is the code of the door?"), /4711/);

  await page.click("#paste-open");
  await page.fill("#paste-name", "Notes");
  await page.fill("#paste-body", "The ferry leaves at half past six.");
  await page.click("#paste-dialog .primary");
  await page.locator("#about-document strong", { hasText: "Notes.txt" }).waitFor();

  // Pages that were drawn here come back as a document of page images.
  const id = await page.evaluate(() => fetch("api/v1/documents").then((r) => r.json()).then((a) => (a.documents ?? a)[0].id));
  const image = await page.request.get(`${server.url}/api/v1/documents/${id}/pages/1.png?render=builtin`);
  await window.upload({ name: "page-1.png", mimeType: "image/png", buffer: await image.body() });
  assert.match(await window.ask("When does the ferry leave?"), /half past six/);

  await page.setInputFiles("#file", { name: "broken.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\nnothing of the kind") });
  await page.locator("#uploads .problem").waitFor();
  await page.setInputFiles("#file", { name: "tool.exe", mimeType: "application/octet-stream", buffer: Buffer.from("MZ") });
  await page.locator("#uploads .problem", { hasText: "tool.exe" }).waitFor();
  await window.shot("refused");
  assert.deepEqual(await window.audit(), []);

  await page.click('button[aria-label="Delete Notes.txt"]');
  await page.click("#confirm-ok");
  await page.locator("#documents", { hasNotText: "Notes.txt" }).waitFor();
});

windowed("what a style comes to is shown before anything runs", {}, async (window, page) => {
  await window.upload(LONG);
  await page.waitForFunction(() => document.querySelectorAll(".compression > div").length === 2);
  const figures = () => page.textContent("#figures");
  const before = await figures();
  await page.fill("[name=font_size]", "7");
  await page.waitForFunction((text) => document.querySelector("#figures").textContent !== text && !document.querySelector("#figures[aria-busy]"), before);
  await page.fill("[name=dpi]", "9999");
  await page.locator("#figures .field-error").waitFor();
  assert.equal(await page.getAttribute("[name=dpi]", "aria-invalid"), "true");
  await page.click("#settings-form [type=reset]");
  await page.locator("#figures .field-error").waitFor({ state: "detached" });
  await page.selectOption("[name=preset]", "builtin");
  assert.ok(await page.isDisabled("[name=font_size]"), "the built-in style is fixed");
  await page.selectOption("[name=preset]", "two-column");
  await page.fill("[name=watermark]", "DRAFT");
  await page.check("[name=line_numbers]");
  await page.check("#which input[value=styled]", { force: true });
  await page.waitForTimeout(800); // the settings are gathered before pages are drawn
  await page.waitForFunction(() => [...document.querySelectorAll("#gallery img")].some((i) => /render=(?!builtin)/.test(i.src) && i.naturalWidth > 0));
  await window.shot("styled");
});

windowed("summary, key information and downloads", {}, async (window, page) => {
  await window.upload(LIGHTHOUSE);
  await page.click("#tab-summarize");
  await page.fill("#sentences", "3");
  await page.click("#run");
  await page.locator(".summary li").nth(2).waitFor();
  assert.equal(await page.locator(".summary li").count(), 3);

  await page.click("#tab-extract");
  await page.click("#run");
  const table = page.locator(".extraction");
  await table.waitFor();
  const values = await table.textContent();
  for (const value of ["works@corran-harbour.example", "CHC-2024-0317", "$412,000"]) assert.ok(values.includes(value), value);
  await window.shot("extraction");
  assert.deepEqual(await window.audit(), []);

  const download = async (label) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(`.download:has-text("${label}")`)]);
    return fs.readFileSync(await file.path());
  };
  assert.deepEqual(await download("Text from the pixels"), fs.readFileSync(LIGHTHOUSE), "the pixels give the bytes back");
  assert.equal((await download("Pages")).subarray(0, 2).toString(), "PK");
  const { result } = JSON.parse((await download("Result")).toString());
  assert.ok(result.extraction.some((e) => e.value === "CHC-2024-0317"));
});

windowed("a queued job is run, told, kept in the history, and opened again", {}, async (window, page) => {
  await window.upload(LIGHTHOUSE);
  await page.fill("#question", "Who inspected the masonry?");
  await page.press("#question", "Control+Enter");
  await page.locator(".toast", { hasText: "Queued" }).waitFor();
  await page.locator(".toast", { hasText: "Done: Who inspected the masonry?" }).waitFor({ timeout: 30_000 });
  await page.click("[data-view=queue]");
  await page.locator("#queue-body .empty").waitFor();
  await window.shot("queue");
  await page.click("[data-view=history]");
  const link = page.locator("#history-body a.job-name", { hasText: "Who inspected the masonry?" }).first();
  await link.waitFor();
  // What ran at once stands in it too.
  await page.click("[data-view=read]");
  await window.ask("When does work begin?");
  await page.click("[data-view=history]");
  const begun = page.locator("#history-body a.job-name", { hasText: "When does work begin?" });
  await begun.waitFor();
  await page.reload();
  await begun.waitFor();
  await window.shot("history");
  assert.deepEqual(await window.audit(), []);
  await link.click();
  await page.locator("#answer", { hasText: "Hanna Osei" }).waitFor();
  assert.match(await page.evaluate(() => location.hash), /^#job\//);
  // The address alone brings it back.
  await page.reload();
  await page.locator("#answer", { hasText: "Hanna Osei" }).waitFor();
  assert.equal(await page.inputValue("#question"), "Who inspected the masonry?");
});

windowed("what is not there is said, and what to try", {}, async (window, page) => {
  await window.upload(LIGHTHOUSE);
  await page.fill("#question", "Quel est le prix du beurre?");
  await page.press("#question", "Enter");
  await page.locator("#result[aria-busy=false] .nothing, #result[aria-busy=false] #answer").waitFor();
  assert.equal(await page.locator(".nothing").count(), 1);
  assert.equal(await page.textContent(".nothing .answer"), "The pages do not seem to say.");
  await page.fill("#question", "");
  await page.press("#question", "Enter");
  await page.locator("#task-error", { hasText: "Write a question first" }).waitFor();
});

windowed("how far a text can be trusted is never folded away", {}, async (window, page) => {
  await window.upload(LIGHTHOUSE);
  const show = (mode, result) =>
    page.evaluate(
      async ([mode, result]) => {
        const { get, set } = await import("/lib/store.js");
        set({ job: { mode, result, question: "Who?", state: "done", document_id: get().document.id }, running: false, jobError: null });
      },
      [mode, result],
    );
  const cautions = () => page.locator("#result .caution:visible").allTextContents();
  const writing = { writer: "m", draft: "Isobel Tarrant. A dragon.", checked: true, quoted: false, unsupported: ["A dragon."] };
  const written = (more) => show("ask", { answer: { text: "Isobel Tarrant.", confidence: 0.5, found: true, evidence: [], writing: { ...writing, ...more } } });
  await written({});
  assert.deepEqual(await cautions(), []);
  assert.match(await page.locator("#result .hint:visible").textContent(), /^Held against the pages/);
  await page.click("#result .draft summary");
  assert.deepEqual(await cautions(), ["Left out, since the pages do not say so: A dragon."]);
  await written({ quoted: true });
  assert.match((await cautions()).join(), /^Nothing of it stands on the pages/);
  await written({ checked: false, unsupported: [] });
  assert.match((await cautions()).join(), /^As the model wrote it/);

  const bbox = { x: 40, y: 60, width: 300, height: 14 };
  const evidence = [{ text: "The lighthouse was built.", page: 1, line: 3, bbox, confidence: 0.9, score: 1 }];
  const sections = [{ first_page: 1, last_page: 1, text: "It was built.", quoted: true, evidence }];
  await show("summarize", { written_summary: { text: "It was built. [page 1]", writer: "m", checked: true, quoted: true, sections } });
  assert.match((await cautions()).join(), /^Little of what the model wrote/);
  assert.equal(await page.locator("#gallery .overlay .box").count(), 1, "what it was written from is on the page");
  // Nothing tells how sure a model is of a summary.
  assert.doesNotMatch(await page.textContent("#result"), /sure/);
  await page.click("#result .draft summary");
  await page.locator("#result .card", { hasText: "The lighthouse was built." }).waitFor();
  assert.equal((await cautions()).length, 2);
  assert.deepEqual(await window.audit(), []);

  const json = { colour: "purple", year: 1874 };
  await show("extract", { json, json_writing: { writer: "m", pages_given: [1], checked: true, unsupported: ["purple"] } });
  assert.match((await cautions()).join(), /made it up: purple$/);
  await window.shot("unsupported");
  assert.deepEqual(await window.audit(), []);
  await show("extract", { json, json_writing: { writer: "m", pages_given: [1], checked: false, unsupported: [] } });
  assert.match((await cautions()).join(), /^As the model wrote it/);

  const text = "The reading is uncertain: most of what was read is not legible, and no answer was found in it.";
  await show("ask", { answer: { text, confidence: 0, found: false, evidence: [] } });
  assert.equal(await page.textContent("#result .nothing .answer"), text);
});

windowed("what the server refuses is said in Chinese", { locale: "zh-CN" }, async (window, page) => {
  await page.setInputFiles("#file", { name: "broken.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\nnothing of the kind") });
  await page.locator("#uploads .problem", { hasText: "PDF 文件“broken.pdf”已损坏" }).waitFor();
  await window.shot("refused_chinese");
  await window.upload(TEA_GARDEN);
  await page.fill("#question", "？！");
  await page.press("#question", "Enter");
  await page.locator("#result .problem", { hasText: "问题里没有可以查找的词语" }).waitFor();
  // Each message that the server was made to say here is known to the page.
  const messages = await page.evaluate(async () => {
    const { said } = await import("/lib/errors.js");
    const id = (await (await fetch("api/v1/documents")).json()).documents[0].id;
    const send = (path, body) => fetch(`api/v1/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const put = (...files) => {
      const form = new FormData();
      for (const [name, bytes] of files) form.append("file", new File([bytes], name));
      return fetch("api/v1/documents", { method: "POST", body: form });
    };
    const replies = await Promise.all([
      put(["empty.txt", ""]),
      put(["blank.txt", " \n "]),
      put(["binary.txt", "a\0b"]),
      put(["latin.txt", new Uint8Array([99, 97, 102, 0xe9, 32, 97])]),
      put(["picture.gif", "GIF89a\0\u0080"]),
      put(["old.doc", new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0, 0])]),
      put(["none.docx", "PK\u0003\u0004 nothing"]),
      put(["head.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])]),
      put(["one.txt", "1"], ["two.txt", "2"]),
      send("ask", { document_id: id, question: "" }),
      send("ask", { document_id: id, question: "a".repeat(20_001) }),
      send("ask", { document_id: "0".repeat(64), question: "Who?" }),
      send("ask", { document_id: id, question: "Who?", writer: "none" }),
      send("summarize", { document_id: id, sentences: 0 }),
      send("extract", { document_id: id, schema: {} }),
      send("layout", { render: { preset: "dense", dpi: 1e9 } }),
      send("layout", { render: { preset: "dense", font_size: 0 } }),
      fetch(`api/v1/documents/${id}/pages/999.png`),
      fetch("api/v1/jobs/01J00000000000000000000000"),
    ]);
    return Promise.all(replies.map(async (reply) => {
      const { message } = (await reply.json()).error;
      return { status: reply.status, message, said: said(message) };
    }));
  });
  for (const { status, message, said } of messages) {
    assert.ok(status >= 400, `${status} ${message}`);
    assert.match(said, /[\u4e00-\u9fff]/, `no Chinese for: ${message}`);
  }
});

const WRITER = process.env.STUDIO_WRITER;
test("what a model writes appears while it writes", { timeout: 120_000, skip: !WRITER && "STUDIO_WRITER names no model" }, async () => {
  const own = await new Server("--writer", WRITER).start();
  const window = await Window.open(chrome, own.url);
  const { page } = window;
  try {
    await window.upload(LIGHTHOUSE);
    await page.evaluate(() => {
      globalThis.seen = [];
      new MutationObserver(() => {
        const text = document.querySelector("#partial")?.textContent ?? "";
        if (text && seen.at(-1) !== text) seen.push(text);
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await page.click(".more summary");
    await page.selectOption("#writer", WRITER);
    await page.fill("#question", "Who built the lighthouse?");
    await page.press("#question", "Enter");
    await page.locator("#drafting:visible").waitFor();
    await window.shot("drafting");
    await page.locator("#result[aria-busy=false] #answer").waitFor({ timeout: 60_000 });
    const seen = await page.evaluate(() => globalThis.seen);
    assert.ok(seen.length > 4, JSON.stringify(seen));
    assert.ok(seen[1].startsWith(seen[0]), JSON.stringify(seen));
    assert.ok((await page.locator(".draft").count()) === 1);
    await window.shot("drafted");
    await window.close();
  } finally {
    await own.remove();
  }
});

windowed("everything is reached by keyboard", {}, async (window, page) => {
  await window.upload(LONG);
  await page.reload();
  await page.locator("#gallery [data-roving]").first().waitFor();
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("skip")), "the skip link comes first");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");

  await page.focus("#tab-ask");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getAttribute("#tab-summarize", "aria-selected"), "true");
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-extract");

  // One page is in the tab order; arrows go to the others.
  assert.equal(await page.locator('#gallery [data-roving][tabindex="0"]').count(), 1);
  await page.locator('#gallery [data-roving][tabindex="0"]').focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.locator("#viewer[open]").waitFor();
  assert.match(await page.textContent("#viewer-title"), /^Page 2 of/);
  await page.keyboard.press("PageDown");
  assert.match(await page.textContent("#viewer-title"), /^Page 3 of/);
  await page.keyboard.press("Home");
  assert.match(await page.textContent("#viewer-title"), /^Page 1 of/);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#viewer[open]").count(), 0);

  // Every control in the tab order has a name, and shows that it has the focus.
  const bare = await page.evaluate(() =>
    [...document.querySelectorAll("a[href], button, input, select, textarea")]
      .filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)
      .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
      .map((e) => e.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(bare, []);
});

windowed("language and theme are switched, and kept", {}, async (window, page) => {
  await window.upload(LIGHTHOUSE);
  await window.ask("Who built the lighthouse?");
  await page.click("#lang");
  assert.equal(await page.textContent("#run"), "立即运行");
  assert.ok((await page.textContent("#result")).includes("证据"), "what is shown already is in the new language too");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await ground(), "rgb(255, 255, 255)");
  await page.click("#theme");
  await page.click("#theme");
  assert.notEqual(await ground(), "rgb(255, 255, 255)");
  assert.deepEqual(await window.audit(), []);
  await window.shot("dark");
  await page.reload();
  await page.locator("#question").waitFor();
  assert.equal(await page.textContent("#run"), "立即运行");
  assert.notEqual(await ground(), "rgb(255, 255, 255)");
});

for (const [width, height, name] of [[390, 844, "phone"], [820, 1180, "tablet"], [1920, 1080, "desktop"]]) {
  windowed(`nothing leaves a ${name}'s width`, { width, height, hasTouch: width < 900 }, async (window, page) => {
    await window.upload(LONG);
    await window.ask("How large is a page of the built-in style?");
    await page.waitForTimeout(300);
    for (const view of ["queue", "history", "read"]) {
      await page.click(`[data-view=${view}]`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wide, 0, `${view} is ${wide} px too wide`);
    }
    await window.shot(name, { fullPage: width < 900 });
    assert.deepEqual(await window.audit(), []);
    await page.locator("#gallery .page").first().click();
    const inside = await page.evaluate(() => document.querySelector("#v-close").getBoundingClientRect().right <= innerWidth);
    assert.ok(inside, "the viewer can be closed");
    await window.shot(`${name}-viewer`);
  });
}

test("a server that goes away is noticed, and so is its return", { timeout: 120_000 }, async () => {
  const own = await new Server().start();
  const window = await Window.open(chrome, own.url);
  const { page } = window;
  try {
    await window.upload(LIGHTHOUSE);
    await own.stop("SIGKILL");
    await page.fill("#question", "Who built the lighthouse?");
    await page.press("#question", "Enter");
    await page.locator("#result .problem").waitFor();
    await page.locator("#connection:visible").waitFor();
    await window.shot("offline");
    await own.start();
    await page.locator("#connection").waitFor({ state: "hidden", timeout: 40_000 });
    assert.match(await window.ask("Who built the lighthouse?"), /Isobel Tarrant/);
    await window.close();
  } finally {
    await own.remove();
  }
});

test("a key is asked for once, and goes along with pictures and downloads", { timeout: 120_000 }, async () => {
  const own = await new Server("--api-keys", "open-sesame").start();
  const window = await Window.open(chrome, own.url);
  const { page } = window;
  try {
    await page.locator("#key-dialog[open]").waitFor();
    await page.fill("#key", "wrong");
    await page.keyboard.press("Enter");
    await page.locator("#key-error:visible").waitFor();
    await window.shot("key");
    await page.fill("#key", "open-sesame");
    await page.keyboard.press("Enter");
    await page.locator("[data-sample=lighthouse]").click();
    await page.locator("#result[aria-busy=false] #answer").waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("#gallery img")].some((i) => i.src.startsWith("blob:") && i.naturalWidth > 0));
    assert.equal(await page.evaluate(() => localStorage.getItem("glyph.key")), null, "the key is not kept on disk");
    await page.reload();
    await page.locator("#question").waitFor();
    assert.equal(await page.locator("#key-dialog[open]").count(), 0);
    await window.close();
  } finally {
    await own.remove();
  }
});

test("screenshots for the README", { timeout: 120_000 }, async () => {
  const own = await new Server().start();
  try {
    for (const [name, options] of [
      ["studio", { width: 1440, height: 900 }],
      ["studio_phone", { width: 390, height: 844, deviceScaleFactor: 2, hasTouch: true }],
    ]) {
      const window = await Window.open(chrome, own.url, options);
      const { page } = window;
      await window.upload(LIGHTHOUSE);
      await window.upload(LONG);
      await window.ask("What does a KvCache hold?");
      // On a phone the pages lie below, and are fetched when they come into view.
      if (name === "studio_phone") await page.locator("#gallery").scrollIntoViewIfNeeded();
      await page.waitForFunction(() => [...document.querySelectorAll("#gallery img")].some((i) => i.naturalWidth > 0));
      await page.mouse.move(0, 0);
      await page.waitForTimeout(1000); // the rest of the pictures
      await page.evaluate((phone) => {
        document.activeElement.blur();
        if (phone) document.querySelector("#task").scrollIntoView({ block: "start" });
      }, name === "studio_phone");
      await window.shot(name);
      await window.close();
    }
  } finally {
    await own.remove();
  }
});
