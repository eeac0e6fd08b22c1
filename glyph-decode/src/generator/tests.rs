use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::fake::{Bytes, EOS, Parrot};
use burn::tensor::{Tensor, TensorData};

use crate::{CachePolicy, DecodeError, ImageEmbeds, LanguageModel, Segment};

fn session(parrot: &Arc<Parrot>, capacity: usize) -> Session {
    Session::new(parrot.clone(), Arc::new(Bytes), capacity).unwrap()
}

fn ids(text: &str) -> Vec<TokenId> {
    text.bytes().map(TokenId::from).collect()
}

fn run(script: &str, prompt: &str, config: &GenerationConfig) -> Generation {
    let parrot = Arc::new(Parrot::new(script));
    session(&parrot, 1000)
        .generate(&ids(prompt), config)
        .unwrap()
        .finish()
        .unwrap()
}

#[test]
fn a_script_is_recited_to_its_end() {
    let out = run("abc 灯塔🗼 end", "abc", &GenerationConfig::new(50));
    assert_eq!(out.text, " 灯塔🗼 end");
    assert_eq!(out.finish_reason, FinishReason::Eos(EOS));
    assert_eq!(out.usage.prompt_tokens, 3);
    assert_eq!(out.usage.generated_tokens, out.tokens.len());
    assert_eq!(out.tokens.last().unwrap().token, EOS);
}

#[test]
fn pieces_hold_whole_characters_and_all_tokens() {
    let parrot = Arc::new(Parrot::new("abc 灯塔🗼 end"));
    let mut session = session(&parrot, 100);
    let config = GenerationConfig::new(50);
    let mut pieces = Vec::new();
    for piece in session.generate(&ids("abc"), &config).unwrap() {
        pieces.push(piece.unwrap());
    }
    let texts: Vec<&str> = pieces.iter().map(|p| p.text.as_str()).collect();
    assert_eq!(texts, [" ", "灯", "塔", "🗼", " ", "e", "n", "d", ""]);
    assert_eq!(pieces[1].tokens.len(), 3);
    assert_eq!(pieces[8].tokens.len(), 1);
}

#[test]
fn pieces_are_told_as_they_come_and_may_be_the_last() {
    let parrot = Arc::new(Parrot::new("abc 灯塔🗼 end"));
    let mut session = session(&parrot, 100);
    let config = GenerationConfig::new(50);
    let mut told = Vec::new();
    let out = session
        .generate(&ids("abc"), &config)
        .unwrap()
        .finish_with(|piece| {
            told.push(piece.text.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(told.concat(), out.text);
    assert_eq!(told.len(), 9);
    let mut left = 3;
    let out = session
        .generate(&ids("abc"), &config)
        .unwrap()
        .finish_with(|_| {
            left -= 1;
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
    assert_eq!((out.text.as_str(), left), (" 灯塔", 0));
    assert_eq!(out.finish_reason, FinishReason::Cancelled);
}

#[test]
fn stop_strings_limits_and_end_tokens_end_the_output() {
    let script = "abc one two three";
    let mut config = GenerationConfig::new(50);
    config.stop = vec![" th".to_owned()];
    let out = run(script, "abc", &config);
    assert_eq!(out.text, " one two");
    assert_eq!(out.finish_reason, FinishReason::Stop(" th".to_owned()));

    // What waits for a stop string comes when the limit is reached.
    let mut config = GenerationConfig::new(6);
    config.stop = vec![" tower".to_owned()];
    let out = run(script, "abc", &config);
    assert_eq!(
        (out.text.as_str(), out.finish_reason),
        (" one t", FinishReason::Length)
    );
    assert_eq!(out.usage.generated_tokens, 6);

    let mut config = GenerationConfig::new(50);
    config.stop_token_ids = vec![TokenId::from(b'w')];
    let out = run(script, "abc", &config);
    assert_eq!(out.text, " one t");
    assert_eq!(out.finish_reason, FinishReason::Eos(TokenId::from(b'w')));

    assert_eq!(
        run(script, "abc", &GenerationConfig::new(0)).finish_reason,
        FinishReason::Length
    );
}

#[test]
fn a_loop_is_ended_with_its_period() {
    // After "the" comes " cat saw the", for ever.
    let parrot = Arc::new(Parrot::new("abc the cat saw the cat"));
    let mut config = GenerationConfig::new(500);
    config.ignore_eos = true;
    let out = session(&parrot, 1000)
        .generate(&ids("abc"), &config)
        .unwrap()
        .finish()
        .unwrap();
    let FinishReason::Loop { period, repeated } = out.finish_reason else {
        panic!("{out:?}");
    };
    assert_eq!((period, repeated), (12, 60));
    assert!(out.usage.generated_tokens < 90);
    config.loop_guard = false;
    let out = session(&parrot, 1000)
        .generate(&ids("abc"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(out.finish_reason, FinishReason::Length);
}

#[test]
fn a_common_beginning_is_not_read_again() {
    let parrot = Arc::new(Parrot::new("the document. Q1? yes. Q2? no."));
    let mut session = session(&parrot, 200);
    let config = GenerationConfig::new(5);
    let first = session
        .generate(&ids("the document. Q1?"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(
        (first.text.as_str(), first.usage.reused_tokens),
        (" yes.", 0)
    );
    let before = parrot.runs.load(Ordering::SeqCst);
    let second = session
        .generate(&ids("the document. Q2?"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(
        (second.text.as_str(), second.usage.reused_tokens),
        (" no.", 15)
    );
    // Two tokens of the question; of the four that follow the last one does not run.
    assert_eq!(
        parrot.runs.load(Ordering::SeqCst) - before,
        2 + second.usage.generated_tokens - 1
    );
    // The same prompt again: only its last token runs.
    let again = session
        .generate(&ids("the document. Q2?"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(
        (again.text.as_str(), again.usage.reused_tokens),
        (" no.", 16)
    );
    assert_eq!(again.tokens, second.tokens);
    // A prompt that goes on from the output reuses the output, too.
    let on = session
        .generate(&ids("the document. Q2? no."), &config)
        .unwrap();
    assert!(on.usage().reused_tokens >= 19, "{:?}", on.usage());
}

#[test]
fn reuse_does_not_change_the_draws() {
    let parrot = Arc::new(Parrot::new("abcdefgh"));
    let mut config = GenerationConfig::new(40);
    (config.temperature, config.seed, config.loop_guard) = (20.0, 3, false);
    let fresh = |prompt: &str| {
        session(&parrot, 200)
            .generate(&ids(prompt), &config)
            .unwrap()
            .finish()
            .unwrap()
            .tokens
    };
    let mut used = session(&parrot, 200);
    for prompt in ["xyz", "xyw and more", "xyw and", "q", "xyz"] {
        let again = used
            .generate(&ids(prompt), &config)
            .unwrap()
            .finish()
            .unwrap()
            .tokens;
        assert_eq!(again, fresh(prompt), "{prompt}");
    }
    let mut other = config.clone();
    other.seed = 4;
    let drawn = session(&parrot, 200)
        .generate(&ids("xyz"), &other)
        .unwrap()
        .finish()
        .unwrap();
    assert_ne!(drawn.tokens, fresh("xyz"));
}

#[test]
fn a_dropped_generator_leaves_a_usable_session() {
    let parrot = Arc::new(Parrot::new("abc one two three"));
    let mut session = session(&parrot, 100);
    let config = GenerationConfig::new(50);
    let mut generator = session.generate(&ids("abc"), &config).unwrap();
    assert_eq!(generator.next().unwrap().unwrap().text, " ");
    assert_eq!(generator.next().unwrap().unwrap().text, "o");
    assert!(generator.finish_reason().is_none());
    drop(generator);
    let out = session
        .generate(&ids("abc on"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(
        (out.text.as_str(), out.usage.reused_tokens),
        ("e two three", 4)
    );
}

#[test]
fn progress_is_told_and_can_cancel() {
    let parrot = Arc::new(Parrot::new("abc one two three"));
    let prompt = format!("{}abc", "x".repeat(600));
    let config = GenerationConfig::new(50);
    let mut seen = Vec::new();
    let out = session(&parrot, 800)
        .generate(&ids(&prompt), &config)
        .unwrap()
        .on_progress(|p| {
            seen.push((p.prompt_tokens_read, p.generated_tokens));
            if p.generated_tokens == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .finish()
        .unwrap();
    assert_eq!(seen, [(256, 0), (512, 0), (603, 0), (603, 1), (603, 2)]);
    assert_eq!(
        (out.text.as_str(), out.finish_reason),
        (" o", FinishReason::Cancelled)
    );
    let out = session(&parrot, 800)
        .generate(&ids(&prompt), &config)
        .unwrap()
        .on_progress(|_| ControlFlow::Break(()))
        .finish()
        .unwrap();
    assert_eq!(
        (out.finish_reason, out.usage.generated_tokens),
        (FinishReason::Cancelled, 0)
    );
}

#[test]
fn a_full_cache_ends_the_output_and_refuses_a_long_prompt() {
    let parrot = Arc::new(Parrot::new("abc one two three"));
    let mut session = session(&parrot, 8);
    let config = GenerationConfig::new(50);
    let out = session
        .generate(&ids("abc"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(
        (out.text.as_str(), out.finish_reason),
        (" one t", FinishReason::ContextFull)
    );
    let error = session.generate(&ids("abcdefghi"), &config).unwrap_err();
    assert!(
        matches!(error, DecodeError::ContextFull { new: 6, .. }),
        "{error}"
    );
    assert!(session.generate(&[], &config).is_err());
    // The session still works.
    let out = session
        .generate(&ids("abc on"), &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(out.text, "e t");
}

#[test]
fn a_sliding_window_goes_on() {
    let parrot = Arc::new(Parrot::new("abc one two three four five six"));
    let cache = KvCache::new(1, 1, 1, 8, CachePolicy::SlidingWindow);
    let mut session = Session::with_cache(parrot.clone(), Arc::new(Bytes), cache);
    let config = GenerationConfig::new(50);
    for _ in 0..2 {
        let out = session
            .generate(&ids("abc"), &config)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(out.text, " one two three four five six");
        assert_eq!(out.usage.reused_tokens, 0);
    }
}

#[test]
fn log_probabilities_are_those_of_the_model() {
    let mut config = GenerationConfig::new(2);
    config.top_logprobs = Some(3);
    config.logit_bias = vec![(TokenId::from(b' '), f32::NEG_INFINITY)];
    let out = run("abc d", "abc", &config);
    let first = &out.tokens[0];
    assert_ne!(first.token, TokenId::from(b' '));
    // The bias does not show: the blank stays the likeliest.
    assert_eq!(first.top_logprobs[0].token, TokenId::from(b' '));
    assert_eq!(first.top_logprobs.len(), 3);
    assert!(first.logprob.unwrap() < first.top_logprobs[0].logprob);
}

#[test]
fn vision_tokens_stand_between_text() {
    let parrot = Arc::new(Parrot::new("abc one"));
    let embeds = parrot.embed(&ids("abc")).unwrap();
    let mut session = session(&parrot, 100);
    let config = GenerationConfig::new(9);
    let prompt = [Segment::Text(ids("x")), Segment::Vision(embeds)];
    for reused in [0, 1] {
        let out = session
            .generate_from(&prompt, &config)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!((out.text.as_str(), out.usage.prompt_tokens), (" one", 4));
        assert_eq!(out.usage.reused_tokens, reused);
    }
}

#[test]
fn a_batch_gives_what_each_prompt_gives_alone() {
    let parrot = Arc::new(Parrot::new(
        "the document. Q1? yes, it is. Q2? no. Q33? abc abc abc",
    ));
    let mut config = GenerationConfig::new(30);
    config.stop = vec!["it".to_owned()];
    let prompts = [
        "the document. Q1?",
        "the document. Q2?",
        "the document. Q33?",
        "the docu",
    ];
    let tokens: Vec<_> = prompts.iter().map(|p| ids(p)).collect();
    for temperature in [0.0, 3.0] {
        (config.temperature, config.seed) = (temperature, 5);
        let batch = generate_batch(&*parrot, &Bytes, &tokens, &config).unwrap();
        for (prompt, together) in tokens.iter().zip(&batch) {
            let alone = session(&parrot, 200)
                .generate(prompt, &config)
                .unwrap()
                .finish()
                .unwrap();
            assert_eq!(together.text, alone.text);
            assert_eq!(together.tokens, alone.tokens);
            assert_eq!(together.finish_reason, alone.finish_reason);
        }
        assert_eq!(batch[1].usage.reused_tokens, 7);
    }
    assert!(
        generate_batch(&*parrot, &Bytes, &[], &config)
            .unwrap()
            .is_empty()
    );
    assert!(generate_batch(&*parrot, &Bytes, &[vec![]], &config).is_err());
}

#[test]
fn settings_out_of_range_are_refused() {
    let parrot = Arc::new(Parrot::new("abc"));
    let refused = |change: &dyn Fn(&mut GenerationConfig)| {
        let mut config = GenerationConfig::new(1);
        change(&mut config);
        session(&parrot, 9)
            .generate(&[1], &config)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&|c| c.temperature = -1.0).contains("temperature"));
    assert!(refused(&|c| c.top_p = 1.5).contains("top_p"));
    assert!(refused(&|c| c.min_p = f32::NAN).contains("min_p"));
    assert!(refused(&|c| c.repetition_penalty = 0.0).contains("repetition_penalty"));
}

#[test]
fn a_prompt_read_piece_by_piece_is_the_same_prompt() {
    let parrot = Arc::new(Parrot::new("the page says: 42."));
    let config = GenerationConfig::default();
    let device = burn::tensor::Device::default();
    let image = |byte: u8, fingerprint: u8| {
        let data = TensorData::new(vec![f32::from(byte); 2], [2, 1]);
        let mut image = ImageEmbeds::new(Tensor::from_data(data, &device), [1, 1, 2]);
        image.fingerprint = Some([fingerprint; 32]);
        image
    };
    let text = |t: &str| Segment::Text(ids(t));
    let whole = [
        text("a"),
        Segment::Image(image(b'x', 1)),
        text("b"),
        Segment::Image(image(b'y', 2)),
        text("the page"),
    ];
    let mut first = session(&parrot, 64);
    let expected = first
        .generate_from(&whole, &config)
        .unwrap()
        .finish()
        .unwrap();

    let mut second = session(&parrot, 64);
    let mut prefill = second.prefill();
    assert!(!prefill.skip_image([1; 32]));
    prefill.read(&whole[..2]).unwrap();
    prefill.read(&whole[2..4]).unwrap();
    assert_eq!(prefill.usage().prompt_tokens, 6);
    let found = prefill
        .generate(&whole[4..], &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(found, expected);

    // The next question runs only what is new, and its pictures need not be encoded.
    let before = parrot.runs.load(Ordering::SeqCst);
    let mut prefill = second.prefill();
    prefill.read(&whole[..1]).unwrap();
    assert!(!prefill.skip_image([2; 32]), "another picture lies here");
    assert!(prefill.skip_image([1; 32]));
    prefill.read(&whole[2..3]).unwrap();
    assert!(prefill.skip_image([2; 32]));
    let again = prefill
        .generate(&whole[4..], &config)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(again.text, expected.text);
    assert_eq!(again.usage.reused_tokens, 6 + "the pag".len());
    let ran = parrot.runs.load(Ordering::SeqCst) - before;
    assert_eq!(ran, 1 + again.usage.generated_tokens - 1);
    assert!(second.prefill().generate(&[], &config).is_err());
}

/// The model runs so many tokens at once as it likes, whatever pieces they come in.
#[test]
fn pieces_run_once_there_are_enough_of_them() {
    let parrot = Arc::new(Parrot::new("the page says: 42."));
    let config = GenerationConfig::new(8);
    let device = burn::tensor::Device::default();
    let page = |byte: u8| {
        let data = TensorData::new(vec![f32::from(byte); 100], [100, 1]);
        let mut image = ImageEmbeds::new(Tensor::from_data(data, &device), [1, 10, 10]);
        image.fingerprint = Some([byte; 32]);
        [Segment::Text(ids("a page")), Segment::Image(image)]
    };
    let mut pages: Vec<Segment> = (0..6).flat_map(page).collect();
    pages.push(Segment::Text(ids("the page")));
    let mut whole = session(&parrot, 1000);
    let expected = whole.generate_from(&pages, &config).unwrap();
    let expected = expected.finish().unwrap();

    let mut piecewise = session(&parrot, 1000);
    let before = parrot.runs.load(Ordering::SeqCst);
    let mut prefill = piecewise.prefill();
    let mut ran = Vec::new();
    for page in pages[..12].chunks(2) {
        prefill.read(page).unwrap();
        ran.push(parrot.runs.load(Ordering::SeqCst) - before);
    }
    // 256 tokens, or as many more as the last picture has.
    assert_eq!(ran, [0, 0, 318, 318, 318, 636]);
    assert_eq!(prefill.usage().prompt_tokens, 636);
    let found = prefill.generate(&pages[12..], &config).unwrap();
    assert_eq!(found.finish().unwrap(), expected);
    // What waits counts: there is no room for both.
    let mut small = session(&parrot, 150);
    let mut prefill = small.prefill();
    prefill.read(&pages[..2]).unwrap();
    assert!(prefill.read(&pages[2..4]).is_err());
}

/// More rows than run at once: the others follow.
#[test]
fn batches_may_be_long() {
    let parrot = Arc::new(Parrot::new("abcdefgh"));
    let mut config = GenerationConfig::new(6);
    config.loop_guard = false;
    let prompts: Vec<_> = (0..150)
        .map(|i| ids(["ab", "abcd", "abcdefg", "q"][i % 4]))
        .collect();
    let batch = generate_batch(&*parrot, &Bytes, &prompts, &config).unwrap();
    assert_eq!(batch.len(), prompts.len());
    for (together, prompt) in batch.iter().zip(&prompts) {
        let mut alone = session(&parrot, 32);
        let alone = alone.generate(prompt, &config).unwrap().finish().unwrap();
        assert_eq!(together.tokens, alone.tokens);
        assert_eq!(together.finish_reason, alone.finish_reason);
    }
}
