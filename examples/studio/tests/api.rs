//! The API as a client sees it: the real server, real requests.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{LIGHTHOUSE, QUESTION, Server};

fn server(args: &[&str]) -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), args);
    (data, server)
}

#[test]
fn a_document_is_uploaded_asked_drawn_and_turned_back() {
    let (_data, server) = server(&[]);
    let first = server.form(
        "/api/v1/documents",
        &[("lighthouse.txt", LIGHTHOUSE.as_bytes())],
    );
    let again = server.form("/api/v1/documents", &[("other.txt", LIGHTHOUSE.as_bytes())]);
    assert_eq!((first.status, again.status), (201, 200));
    let info = first.json();
    assert_eq!(info["id"], again.json()["id"]);
    assert_eq!(
        (&info["kind"], &info["chars"]),
        (&json!("text"), &json!(2124))
    );
    let id = info["id"].as_str().unwrap();
    let list = server.get("/api/v1/documents").json();
    assert_eq!(list["documents"].as_array().unwrap().len(), 1);

    let ask = json!({"document_id": id, "question": QUESTION});
    let answer = server.post("/api/v1/ask", &ask).json();
    let text = answer["answer"]["text"].as_str().unwrap();
    assert!(text.contains("Isobel Tarrant"), "{answer}");
    assert!(!answer["answer"]["evidence"].as_array().unwrap().is_empty());
    assert!(!answer["scan"]["rows"].as_array().unwrap().is_empty());
    assert!(answer["tokens"]["ratio"].as_f64().unwrap() > 1.0);

    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    let events = server.post("/api/v1/ask", &streamed).events();
    let parts = events.iter().filter(|(name, _)| name == "delta");
    let parts: String = parts
        .map(|(_, data)| data["text"].as_str().unwrap())
        .collect();
    assert_eq!(parts, text);
    assert!(events.iter().any(|(name, _)| name == "scan"));
    let (last, result) = events.last().unwrap();
    assert_eq!(
        (last.as_str(), &result["answer"]["text"]),
        ("done", &json!(text))
    );

    let summary = json!({"document_id": id, "sentences": 3});
    let summary = server.post("/api/v1/summarize", &summary).json();
    assert_eq!(summary["summary"].as_array().unwrap().len(), 3, "{summary}");
    let extract = json!({"document_id": id, "fields": ["No such field"]});
    let extract = server.post("/api/v1/extract", &extract).json();
    assert!(extract["extraction"].is_array(), "{extract}");
    assert_eq!(extract["missing_fields"], json!(["No such field"]));

    assert_eq!(
        server.get(&format!("/api/v1/documents/{id}/text")).text(),
        LIGHTHOUSE
    );
    let style = json!({"preset": "glyph-en", "font_size": 12.0, "dpi": 96, "page_numbers": true});
    let drawn = server
        .post(&format!("/api/v1/documents/{id}/render"), &style)
        .json();
    let render = drawn["render_id"].as_str().unwrap();
    let page = server.get(&format!(
        "/api/v1/documents/{id}/pages/1.png?render={render}"
    ));
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("image/png"))
    );
    let builtin = server.get(&format!("/api/v1/documents/{id}/pages/1.png"));
    assert_ne!(page.body, builtin.body);
    for file in ["0.png", "99.png", "18446744073709551615.png", "1.jpg"] {
        let path = format!("/api/v1/documents/{id}/pages/{file}?render={render}");
        assert_eq!(server.get(&path).status, 404, "{file}");
    }
    let inverted = server
        .form("/api/v1/invert", &[("p.png", &page.body)])
        .json();
    assert_eq!(
        (&inverted["intact"], &inverted["text"]),
        (&json!(true), &json!(LIGHTHOUSE))
    );
    let archive = server.get(&format!("/api/v1/documents/{id}/pages.zip?render={render}"));
    assert!(archive.body.starts_with(b"PK"));
    let layout = json!({"render": style, "document_id": id});
    let layout = server.post("/api/v1/layout", &layout).json();
    assert_eq!(
        layout["pages"].as_u64().unwrap() as usize,
        drawn["pages"].as_array().unwrap().len()
    );

    assert_eq!(
        server.delete(&format!("/api/v1/documents/{id}")).status,
        204
    );
    assert_eq!(server.get(&format!("/api/v1/documents/{id}")).status, 404);
    assert_eq!(server.post("/api/v1/ask", &ask).status, 404);
    let metrics = server.get("/metrics").text();
    for name in [
        "stage_seconds_bucket",
        "runs_total{mode=\"ask\",outcome=\"done\"}",
        "ratio_count",
        "cache_lookups_total",
        "tokens_total",
    ] {
        assert!(
            metrics.contains(&format!("glyph_studio_{name}")),
            "{name}\n{metrics}"
        );
    }
}

/// Pages in the middle of a long document are those of the archive, which has all of them, also
/// where they are drawn without those before.
#[test]
fn pages_of_long_documents_are_drawn_alone() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let text = LIGHTHOUSE.repeat(60);
    let id = server.upload("long.txt", text.as_bytes());
    let style = json!({"preset": "glyph-en", "font_size": 12.0, "dpi": 72});
    let drawn = server.post(&format!("/api/v1/documents/{id}/render"), &style);
    let drawn = drawn.json();
    let pages = drawn["pages"].as_array().unwrap();
    let render = drawn["render_id"].as_str().unwrap();
    assert!(pages.len() > 20, "{}", pages.len());
    drop(server);
    // Nothing is kept in memory any more.
    let server = Server::start(data.path(), &[]);
    let archive = server.get(&format!("/api/v1/documents/{id}/pages.zip?render={render}"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive.body)).unwrap();
    assert_eq!(archive.len(), pages.len());
    for number in [1, 16, 17, pages.len()] {
        let path = format!("/api/v1/documents/{id}/pages/{number}.png?render={render}");
        let page = server.get(&path).body;
        let mut packed = Vec::new();
        let name = format!("page_{number:04}.png");
        archive
            .by_name(&name)
            .unwrap()
            .read_to_end(&mut packed)
            .unwrap();
        assert_eq!(page, packed, "page {number}");
        let size = image::load_from_memory(&page).unwrap();
        let told = &pages[number - 1];
        assert_eq!(
            (json!(size.width()), json!(size.height())),
            (told["width"].clone(), told["height"].clone())
        );
    }
    assert_eq!(
        server.get(&format!("/api/v1/documents/{id}/text")).text(),
        text
    );
}

#[test]
fn jobs_run_are_followed_cancelled_and_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    // Nobody works, so jobs wait.
    let server = Server::start(data.path(), &["--workers", "0"]);
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    let job = json!({"document_id": id, "mode": "ask", "question": QUESTION, "priority": "high"});
    let queued = server.post("/api/v1/jobs", &job);
    assert_eq!(queued.status, 202, "{}", queued.text());
    let queued = queued.json();
    assert_eq!(
        (&queued["state"], &queued["attempts"]),
        (&json!("queued"), &json!(0))
    );
    let queued = queued["id"].as_str().unwrap().to_owned();
    let other = server.post("/api/v1/jobs", &job).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let cancelled = server.post(&format!("/api/v1/jobs/{other}/cancel"), &Value::Null);
    assert_eq!(cancelled.json()["state"], "cancelled");
    assert_eq!(
        server
            .post(&format!("/api/v1/jobs/{other}/cancel"), &Value::Null)
            .status,
        409
    );
    assert_eq!(server.delete(&format!("/api/v1/jobs/{queued}")).status, 409);
    assert!(server.terminate().success());

    let server = Server::start(data.path(), &["--workers", "1"]);
    let done = server.wait(&queued);
    assert_eq!(
        (&done["state"], &done["attempts"]),
        (&json!("done"), &json!(1)),
        "{done}"
    );
    let text = done["result"]["answer"]["text"].as_str().unwrap();
    assert!(text.contains("Tarrant"));
    let events = server
        .get(&format!("/api/v1/jobs/{queued}/events"))
        .events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (names.first(), names.last()),
        (Some(&"scan"), Some(&"done")),
        "{names:?}"
    );
    let file = server.get(&format!("/api/v1/jobs/{queued}/result.json"));
    assert_eq!(file.json(), done["result"]);
    assert!(
        file.header("content-disposition")
            .unwrap()
            .contains("attachment")
    );

    let again = server.post(&format!("/api/v1/jobs/{other}/retry"), &Value::Null);
    assert_eq!(again.json()["state"], "queued");
    let events = server.get(&format!("/api/v1/jobs/{other}/events")).events();
    assert_eq!(events.last().unwrap().0, "done");
    let list = server.get("/api/v1/jobs?state=done&limit=1").json();
    assert_eq!(list["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(list["jobs"][0]["id"], json!(other));
    let line = list["jobs"][0]["summary_line"].as_str().unwrap();
    assert!(text.starts_with(line.trim_end_matches('…')), "{line}");
    let older = server.get(&format!("/api/v1/jobs?before={other}")).json();
    assert_eq!(older["jobs"][0]["id"], json!(queued));
    assert_eq!(server.delete(&format!("/api/v1/jobs/{queued}")).status, 204);
    assert_eq!(server.get(&format!("/api/v1/jobs/{queued}")).status, 404);

    // A job that cannot be done says so and is not tried again.
    let blank = image::GrayImage::from_pixel(300, 200, image::Luma([255]));
    let path = data.path().join("blank.png");
    blank.save(&path).unwrap();
    let id = server.upload("blank.png", &std::fs::read(&path).unwrap());
    let job = json!({"document_id": id, "mode": "summarize"});
    let job = server.post("/api/v1/jobs", &job).json();
    let failed = server.wait(job["id"].as_str().unwrap());
    assert_eq!(
        (&failed["state"], &failed["error"]["code"]),
        (&json!("failed"), &json!("no_text"))
    );
    assert_eq!(failed["attempts"], 1);
}

/// A client that is still sending when it is refused gets to know why.
#[test]
fn a_refused_upload_is_read_to_its_end() {
    let (_data, server) = server(&["--max-upload-mb", "1"]);
    for megabytes in [2, 8, 32] {
        let file = vec![b'a'; megabytes << 20];
        let reply = server.form("/api/v1/documents", &[("a.txt", &file)]);
        assert_eq!(reply.status, 413, "{megabytes} MB");
    }
}

#[test]
fn what_is_asked_in_the_wrong_way_is_refused_with_a_reason() {
    let (_data, server) = server(&["--max-upload-mb", "1", "--max-pages", "50"]);
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    let page = (server.get(&format!("/api/v1/documents/{id}/pages/1.png"))).body;
    let cases = [
        (
            server.post("/api/v1/ask", &json!({"document_id": id})),
            400,
            "question",
        ),
        (
            server.post("/api/v1/ask", &json!({"document_id": id, "question": "?!"})),
            400,
            "no word",
        ),
        (
            server.post(
                "/api/v1/ask",
                &json!({"document_id": "x", "question": "Who?"}),
            ),
            404,
            "document",
        ),
        (
            server.post("/api/v1/ask", &json!({"question": "Who?"})),
            422,
            "document_id",
        ),
        (
            server.post(
                "/api/v1/ask",
                &json!({"document_id": id, "question": "Who?", "colour": 1}),
            ),
            422,
            "colour",
        ),
        (
            server.post(
                "/api/v1/ask",
                &json!({"document_id": id, "question": "Who?", "writer": "w"}),
            ),
            400,
            "writer",
        ),
        (
            server.post(
                "/api/v1/summarize",
                &json!({"document_id": id, "sentences": 0}),
            ),
            400,
            "sentences",
        ),
        (
            server.post("/api/v1/jobs", &json!({"document_id": id, "mode": "dance"})),
            422,
            "dance",
        ),
        (
            server.post("/api/v1/layout", &json!({"render": {"preset": "no"}})),
            400,
            "preset",
        ),
        (
            server.post(
                "/api/v1/layout",
                &json!({"render": {"preset": "dense", "dpi": 1e9}}),
            ),
            400,
            "dpi",
        ),
        (
            server.send("POST", "/api/v1/ask", "application/json", b"{"),
            400,
            "EOF",
        ),
        (
            server.send("POST", "/api/v1/ask", "text/plain", b"{}"),
            415,
            "application/json",
        ),
        (
            server.send("POST", "/api/v1/documents", "text/plain", b"{}"),
            400,
            "multipart",
        ),
        (server.form("/api/v1/documents", &[]), 400, "file"),
        (
            server.form("/api/v1/documents", &[("a.txt", &vec![b'a'; 3 << 20])]),
            413,
            "",
        ),
        (
            server.form(
                "/api/v1/documents",
                &[("a.txt", &vec![b'a'; (1 << 20) + 1])],
            ),
            413,
            "1048576",
        ),
        (
            server.form(
                "/api/v1/documents",
                &[("a.txt", "word\n".repeat(10_000).as_bytes())],
            ),
            413,
            "pages",
        ),
        (
            server.form("/api/v1/documents", &[("a.txt", b"1"), ("b.txt", b"2")]),
            400,
            "image",
        ),
        (
            server.form("/api/v1/documents", &[("a.gif", b"GIF89a\0\x80")]),
            415,
            "GIF",
        ),
        (
            server.form("/api/v1/documents", &[("a.txt", b"")]),
            422,
            "empty",
        ),
        (
            server.form("/api/v1/documents", &[("broken.pdf", b"%PDF-1.7\nno")]),
            422,
            "broken.pdf: ",
        ),
        (
            server.form(
                "/api/v1/documents",
                &[("first.png", &page), ("second.PNG", b"\x89PNG\r\n\x1a\n")],
            ),
            422,
            "second.PNG: ",
        ),
        (
            server.form("/api/v1/invert", &[("odd.png", b"\x89PNG\r\n\x1a\n")]),
            422,
            "odd.png",
        ),
        (server.send("PUT", "/api/v1/documents", "", b""), 405, ""),
        (server.get("/api/v1/documents/../../etc/passwd"), 404, ""),
        (server.get("/..%2f..%2fCargo.toml"), 404, ""),
        (server.get("/api/v1/documents/%2e%2e%2fx"), 404, ""),
        (
            server.get(&format!("/api/v1/documents/{id}/pages/0.png")),
            404,
            "page",
        ),
        (
            server.get(&format!(
                "/api/v1/documents/{id}/pages/1.png?render=../../x"
            )),
            404,
            "rendering",
        ),
        (server.get("/api/v1/jobs/01"), 404, "job"),
        (server.get("/api/v1/jobs?state=lost"), 400, "lost"),
    ];
    for (i, (reply, status, says)) in cases.iter().enumerate() {
        let text = reply.text();
        assert_eq!(reply.status, *status, "case {i}: {text}");
        let error = &reply.json()["error"];
        let message = error["message"].as_str().unwrap();
        assert!(
            error["code"].is_string() && message.contains(says),
            "case {i}: {text}"
        );
        // Nothing of where this server keeps things, or how its code calls them.
        for inner in ["/uploads/", "0001/", "pages/0", "Limits::"] {
            assert!(!message.contains(inner), "case {i}: {text}");
        }
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn keys_hosts_origins_and_rates_are_checked() {
    let (_data, open) = server(&["--requests-per-minute", "60"]);
    let request = |name: &str, value: &str| {
        ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}/api/v1/layout", open.url))
            .header("content-type", "application/json")
            .header(name, value)
            .body(b"{}".to_vec())
            .unwrap()
    };
    assert_eq!(open.raw(request("x-y", "z")).status, 200);
    assert_eq!(open.raw(request("host", "evil.example")).status, 403);
    assert_eq!(
        open.raw(request("origin", "https://evil.example")).status,
        403
    );
    let many: Vec<u16> = (0..12)
        .map(|_| open.post("/api/v1/layout", &json!({})).status)
        .collect();
    assert!(many.contains(&429) && many[0] == 200, "{many:?}");
    assert_eq!(open.get("/healthz").status, 200);
    drop(open);

    let data = tempfile::tempdir().unwrap();
    let closed = Server::start(data.path(), &["--api-keys", "secret,other"]);
    assert_eq!(closed.get("/api/v1/documents").status, 401);
    assert_eq!(closed.get("/metrics").status, 401);
    assert_eq!(closed.get("/api/v1/config").json()["auth_required"], true);
    assert_eq!(closed.get("/").status, 200);
    let closed = closed.with_key("wrong");
    assert_eq!(closed.get("/api/v1/documents").status, 401);
    let closed = closed.with_key("other");
    assert_eq!(closed.get("/api/v1/documents").status, 200);
}

#[test]
fn the_page_is_served_with_a_strict_policy() {
    let (_data, server) = server(&[]);
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(server.get("/no-such-file.js").status, 404);
}

/// The document's paths and methods against the router: each is answered by its handler, and what
/// is not in the document is not there.
#[test]
fn the_description_is_the_api() {
    let (_data, server) = server(&["--requests-per-minute", "0"]);
    let api = server.get("/openapi.json").json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = 0;
    for (path, methods) in api["paths"].as_object().unwrap() {
        let missing = path.replace("{id}", "0").replace("{file}", "1.png");
        for method in ["get", "put", "post", "delete", "patch"] {
            let reply = server.send(&method.to_uppercase(), &missing, "application/json", b"{}");
            match methods.get(method) {
                Some(operation) => {
                    described += 1;
                    assert_ne!(reply.status, 405, "{method} {path}");
                    let code = reply.status.to_string();
                    // What axum checks by itself is not repeated in each operation.
                    let known = operation["responses"].get(&code).is_some()
                        || matches!(reply.status, 400 | 404 | 415 | 422);
                    assert!(known, "{method} {path}: {code} {}", reply.text());
                    assert!(operation["summary"].is_string(), "{method} {path}");
                    assert!(operation["tags"].is_array(), "{method} {path}");
                }
                None => assert_eq!(reply.status, 405, "{method} {path}"),
            }
        }
    }
    assert!(described >= 30, "{described}");
    // Every reference leads somewhere.
    let text = api.to_string();
    for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(api["components"]["schemas"].get(name).is_some(), "{name}");
    }
    // What a model wrote comes with how far it can be trusted.
    for (name, field) in [
        ("Outcome", "written_summary"),
        ("Outcome", "json_writing"),
        ("WrittenSummaryOut", "checked"),
        ("WrittenSummaryOut", "quoted"),
        ("SectionOut", "evidence"),
        ("JsonWritingOut", "unsupported"),
    ] {
        let found = &api["components"]["schemas"][name]["properties"][field];
        assert!(found.is_object(), "{name}.{field}");
    }
    // Handlers are reached through `routes!` only, which describes them.
    let source = include_str!("../src/api.rs");
    assert!(!source.contains(".route("), "a route that is not described");
}

#[test]
fn chats_are_answered_from_what_is_attached() {
    use base64::Engine as _;
    let (_data, server) = server(&[]);
    let models = server.get("/v1/models").json();
    assert_eq!(models["data"][0]["id"], "glyph-builtin");
    let file = server
        .form("/v1/files", &[("lighthouse.txt", LIGHTHOUSE.as_bytes())])
        .json();
    assert_eq!(
        (&file["object"], &file["filename"]),
        (&json!("file"), &json!("lighthouse.txt"))
    );
    let id = file["id"].as_str().unwrap();
    let data = base64::engine::general_purpose::STANDARD.encode(LIGHTHOUSE);
    let document = id.strip_prefix("file-").unwrap();
    let page = server
        .get(&format!("/api/v1/documents/{document}/pages/1.png"))
        .body;
    let page = base64::engine::general_purpose::STANDARD.encode(page);
    let attached = [
        json!([{"type": "file", "file": {"file_id": id}}, {"type": "text", "text": QUESTION}]),
        json!([{"type": "text", "text": QUESTION}, {"type": "file", "file":
            {"filename": "a.txt", "file_data": format!("data:text/plain;base64,{data}")}}]),
        json!([{"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{page}")}},
            {"type": "text", "text": QUESTION}]),
        json!(format!("{LIGHTHOUSE}\n\n{QUESTION}")),
    ];
    for content in attached {
        let chat = json!({"model": "glyph-builtin", "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]});
        let reply = server.post("/v1/chat/completions", &chat).json();
        let text = reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_default();
        assert!(text.contains("Isobel Tarrant"), "{reply}");
        let usage = &reply["usage"];
        let vision = usage["prompt_tokens_details"]["vision_tokens"]
            .as_u64()
            .unwrap();
        assert!(
            vision > 50 && usage["prompt_tokens"].as_u64().unwrap() > vision,
            "{usage}"
        );
    }
    // A later question is answered from the text before the first one.
    let earlier = "What colour are the doors?";
    let chat = json!({"model": "glyph-builtin", "messages": [
        {"role": "user", "content": format!("{LIGHTHOUSE}\n\n{earlier}")},
        {"role": "assistant", "content": "The pages do not say."},
        {"role": "user", "content": earlier}]});
    let reply = server.post("/v1/chat/completions", &chat).json();
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!text.contains(earlier), "{text}");
    // What came with a chat is nobody else's document, unless it was uploaded, too.
    let list = server.get("/api/v1/documents").json();
    let names: Vec<&str> = (list["documents"].as_array().unwrap().iter())
        .map(|document| document["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["lighthouse.txt"]);
    assert_eq!(
        server.get("/v1/files").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for format in [
        json!({"type": "json_object"}),
        json!({"type": "json_schema"}),
        json!({"type": "xml"}),
        json!("json"),
    ] {
        let mut chat = chat.clone();
        chat["response_format"] = format;
        let reply = server.post("/v1/chat/completions", &chat);
        let error = &reply.json()["error"];
        assert_eq!(
            (reply.status, &error["param"]),
            (400, &json!("response_format")),
            "{error}"
        );
    }

    let mut chat = json!({"model": "glyph-builtin", "stream": true,
        "response_format": {"type": "text"}, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": format!("{LIGHTHOUSE}\n\n{QUESTION}")}]});
    let reply = server.post("/v1/chat/completions", &chat);
    assert!(reply.text().trim_end().ends_with("data: [DONE]"));
    let parts = reply.events();
    let text: String = parts
        .iter()
        .filter_map(|(_, part)| part["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert!(text.contains("Isobel Tarrant"), "{text}");
    assert!(
        parts
            .iter()
            .any(|(_, part)| part["usage"]["total_tokens"].is_u64())
    );
    chat["model"] = json!("gpt-9");
    let reply = server.post("/v1/chat/completions", &chat);
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    let nothing =
        json!({"model": "glyph-builtin", "messages": [{"role": "user", "content": "Hi"}]});
    let reply = server.post("/v1/chat/completions", &nothing);
    assert_eq!((reply.status, reply.text().contains("attach")), (400, true));
    assert_eq!(
        server.delete(&format!("/v1/files/{id}")).json()["deleted"],
        true
    );
    assert_eq!(server.get(&format!("/v1/files/{id}")).status, 404);
}

/// With a real language model, where it was fetched: `cargo run --release --example models --
/// fetch smollm2-135m`.
/// What came with a chat goes an hour after its last use, uploads after `--keep-days`.
#[test]
fn what_is_kept_for_a_while_is_deleted_then() {
    let data = tempfile::tempdir().unwrap();
    let store = data.path().join("store");
    let count = |folder: &str| std::fs::read_dir(store.join(folder)).map_or(0, Iterator::count);
    let age = |folder: &str, hours: u64| {
        let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        for document in std::fs::read_dir(store.join(folder)).unwrap() {
            for file in std::fs::read_dir(document.unwrap().path()).unwrap() {
                let file = std::fs::File::options()
                    .write(true)
                    .open(file.unwrap().path());
                file.unwrap().set_modified(then).unwrap();
            }
        }
    };
    let wait = |documents: usize, chats: usize| {
        let end = Instant::now() + Duration::from_secs(30);
        while (count("documents"), count("chats")) != (documents, chats) {
            let found = (count("documents"), count("chats"));
            assert!(Instant::now() < end, "{found:?}, not {documents}, {chats}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let ask = |server: &Server, name: &str| {
        let text = format!("{name} counts the boats.\n\nWho counts the boats?");
        let chat = json!({"model": "glyph-builtin",
            "messages": [{"role": "user", "content": text}]});
        let reply = server.post("/v1/chat/completions", &chat);
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    let server = Server::start(data.path(), &[]);
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    ask(&server, "Ada");
    age("chats", 2);
    ask(&server, "Ada");
    ask(&server, "Bela");
    drop(server);
    age("documents", 25);
    // Used again, it is kept for another hour; uploads stay where nothing else is said.
    let server = Server::start(data.path(), &[]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!((count("documents"), count("chats")), (1, 2));
    drop(server);
    age("chats", 2);
    let server = Server::start(data.path(), &["--keep-days", "2"]);
    wait(1, 0);
    drop(server);
    let server = Server::start(data.path(), &["--keep-days", "1"]);
    wait(0, 0);
    let gone = server.get(&format!("/api/v1/documents/{id}"));
    assert_eq!(gone.status, 404, "{}", gone.text());
}

#[test]
fn what_a_model_writes_is_streamed_while_it_writes() {
    const MODEL: &str = "smollm2-135m";
    if glyph_pipeline::pretrained::resolve(MODEL).is_err() {
        eprintln!("skipped: {MODEL} is not on this machine");
        return;
    }
    let (_data, server) = server(&["--writer", MODEL]);
    let mut chat = json!({"model": MODEL, "stream": true, "messages": [
        {"role": "user", "content": format!("{LIGHTHOUSE}\n\n{QUESTION}")}]});
    let parts = server.timed("/v1/chat/completions", &chat);
    let content = |part: &Value| {
        let text = part["choices"][0]["delta"]["content"].as_str();
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let texts: Vec<(f64, String)> = (parts.iter())
        .filter_map(|(at, part)| Some((*at, content(part)?)))
        .collect();
    assert!(texts.len() > 5, "{texts:?}");
    // Tokens come one after the other, and not all at the end.
    let end = parts.last().unwrap().0;
    let (first, middle) = (texts[0].0, texts[texts.len() / 2].0);
    assert!(first < middle && middle < end, "{texts:?}");
    let (_, last) = parts
        .iter()
        .find(|(_, part)| part["choices"][0]["finish_reason"] == "stop")
        .unwrap();
    let answer = &last["glyph"]["answer"];
    let draft = answer["writing"]["draft"].as_str().unwrap();
    let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        text.trim_start().starts_with(draft.trim()),
        "{text:?} {draft:?}"
    );

    // The page's stream tells the draft, then the answer.
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    let ask = json!({"document_id": id, "question": QUESTION, "writer": MODEL, "stream": true});
    let events = server.post("/api/v1/ask", &ask).events();
    let of = |kind: &str| {
        let parts = events.iter().filter(|(name, _)| name == kind);
        let texts = parts.filter_map(|(_, data)| data["text"].as_str());
        texts.collect::<String>()
    };
    let (_, done) = events.last().unwrap();
    assert_eq!(
        of("draft").trim(),
        done["answer"]["writing"]["draft"].as_str().unwrap().trim()
    );
    assert_eq!(of("delta"), done["answer"]["text"].as_str().unwrap());
    let begins = events.iter().filter(|(_, data)| data["begins"] == true);
    assert_eq!(begins.count(), 1);

    // JSON by a schema stays JSON.
    chat["response_format"] = json!({"type": "json_schema", "json_schema": {"schema":
        {"type": "object", "properties": {"engineer": {"type": "string"}},
            "required": ["engineer"], "additionalProperties": false}}});
    let parts = server.timed("/v1/chat/completions", &chat);
    let text: String = parts.iter().filter_map(|(_, part)| content(part)).collect();
    let filled: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    assert!(filled["engineer"].is_string(), "{filled}");
}

/// The official client, where Python has it: `pip install openai`.
#[test]
fn the_openai_client_works() {
    let has = std::process::Command::new("python3")
        .args(["-c", "import openai"])
        .output();
    if !has.is_ok_and(|run| run.status.success()) {
        eprintln!("skipped: python3 has no module openai");
        return;
    }
    let (_data, server) = server(&["--api-keys", "secret"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai_client.py");
    let run = std::process::Command::new("python3")
        .args([script, &server.url, "secret"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stdout)
    );
}

#[test]
fn hostile_files_do_not_take_the_server_down() {
    let (_data, server) = server(&[
        "--requests-per-minute",
        "0",
        "--parse-seconds",
        "20",
        "--parse-mb",
        "1024",
    ]);
    let mut files = support::corpus();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("word/document.xml", options).unwrap();
    std::io::Write::write_all(&mut zip, b"<w:document><w:body>").unwrap();
    files.push(("stored.docx".to_owned(), zip.finish().unwrap().into_inner()));
    for (name, bytes) in [
        ("latin1.txt", &b"caf\xe9 au lait"[..]),
        ("binary.txt", b"a\0b\0\x01"),
        ("no_zip.docx", b"this is no zip archive"),
        ("empty.pdf", b"%PDF-1.7\n"),
        ("head.png", b"\x89PNG\r\n\x1a\n"),
        ("..%2f..%2fx.txt", b"A name that climbs."),
    ] {
        files.push((name.to_owned(), bytes.to_vec()));
    }
    let nested = format!("%PDF-1.4\n{}", "[".repeat(200_000));
    files.push(("nested.pdf".to_owned(), nested.into_bytes()));
    let (mut taken, mut refused) = (0, 0);
    for (name, bytes) in &files {
        let mut cut = bytes.clone();
        cut.truncate(bytes.len() / 2);
        for bytes in [bytes, &cut] {
            let reply = server.form("/api/v1/documents", &[(name, bytes)]);
            match reply.status {
                200 | 201 => {
                    taken += 1;
                    let id = reply.json()["id"].as_str().unwrap().to_owned();
                    let ask = json!({"document_id": id, "question": "What does it say?"});
                    let asked = server.post("/api/v1/ask", &ask);
                    assert!(
                        matches!(asked.status, 200 | 422),
                        "{name}: {}",
                        asked.text()
                    );
                    let drawn = server.get(&format!("/api/v1/documents/{id}/pages/1.png"));
                    assert!(drawn.status < 500, "{name}: {}", drawn.text());
                }
                413 | 415 | 422 => refused += 1,
                other => panic!("{name}: {other} {}", reply.text()),
            }
            if name.ends_with(".png") {
                let reply = server.form("/api/v1/invert", &[(name, bytes)]);
                assert!(
                    matches!(reply.status, 200 | 413 | 422),
                    "{name}: {}",
                    reply.text()
                );
            }
        }
    }
    assert!(taken > 0 && refused > 10, "{taken} {refused}");
    assert_eq!(server.get("/readyz").status, 200);
}
