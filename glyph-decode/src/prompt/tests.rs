use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Model {
    name: String,
    template: String,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    add_generation_prompt: bool,
    prompt: Option<String>,
}

#[test]
fn templates_render_as_in_transformers() {
    let models: Vec<Model> =
        serde_json::from_str(include_str!("../../tests/data/chat_templates.json")).unwrap();
    assert_eq!(models.len(), 2);
    for model in models {
        let template = ChatTemplate::new(&model.template)
            .unwrap()
            .special_tokens("<|im_start|>", "<|im_end|>");
        for (i, chat) in model.chats.iter().enumerate() {
            let ours =
                template.render_with_tools(&chat.messages, &chat.tools, chat.add_generation_prompt);
            assert_eq!(ours.ok(), chat.prompt, "{}, chat {i}", model.name);
        }
    }
}

#[test]
fn chatml_and_python_idioms() {
    let chat = [
        Message::system("Be brief."),
        Message::user("Hi"),
        Message::assistant("Ho"),
    ];
    let prompt = ChatTemplate::chatml().unwrap().render(&chat, true).unwrap();
    assert_eq!(
        prompt,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
         <|im_start|>assistant\nHo<|im_end|>\n<|im_start|>assistant\n"
    );
    let idioms = ChatTemplate::new(
        "{{ bos_token }}{% for m in messages %}\n    {{ m.content.strip().split('i')[0] }}{% endfor %}",
    )
    .unwrap()
    .special_tokens("<s>", "</s>");
    assert_eq!(
        idioms.render(&[Message::user("  Hi ")], false).unwrap(),
        "<s>    H"
    );
    let year = ChatTemplate::new("{{ strftime_now('%Y') }}").unwrap();
    let year = year.render::<Message>(&[], false).unwrap();
    assert!(year.len() == 4 && year.starts_with("20"), "{year}");
}

#[test]
fn errors_say_what_and_where() {
    let error = ChatTemplate::new("{% for m in %}").unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
    let refuses = ChatTemplate::new("{{ raise_exception('roles must alternate') }}").unwrap();
    let error = refuses
        .render::<Message>(&[], true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("roles must alternate"), "{error}");
}
