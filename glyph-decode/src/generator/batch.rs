//! Several prompts at once.

use super::decoding::Decoding;
use super::{Generation, GenerationConfig, Usage, has_room};
use crate::{
    DecodeError, FinishReason, GeneratedToken, KvCache, LanguageModel, LogitsFor, Sequence,
    TokenId, Vocabulary,
};

/// Bytes of keys and values that rows which run together may take: each has a cache of its own.
const CACHES: usize = 4 << 30;

/// Most rows that run together.
const ROWS: usize = 64;

/// An output in the making.
struct Row {
    /// Which of the prompts.
    index: usize,
    decoding: Decoding,
    cache: KvCache,
    next: Option<TokenId>,
    text: String,
    tokens: Vec<GeneratedToken>,
    finish_reason: Option<FinishReason>,
    usage: Usage,
}

/// Answers several prompts together: one forward pass gives each of them a token. As many run at
/// once as have caches within 4 GiB, up to 64; the others follow as soon as one has ended.
///
/// The prompts' common beginning is read once. Every output is the one that the prompt would get
/// alone, up to rounding; each prompt starts with the same seed.
///
/// # Errors
/// If a prompt is empty or longer than the model's context, or the model fails.
pub fn generate_batch(
    model: &dyn LanguageModel,
    vocabulary: &dyn Vocabulary,
    prompts: &[Vec<TokenId>],
    config: &GenerationConfig,
) -> Result<Vec<Generation>, DecodeError> {
    let (Some(shortest), Some(longest)) = (
        prompts.iter().map(Vec::len).min(),
        prompts.iter().map(Vec::len).max(),
    ) else {
        return Ok(Vec::new());
    };
    if shortest == 0 {
        return Err(DecodeError::Input {
            what: "a prompt of the batch",
            expected: "at least 1 token".to_owned(),
            found: "none".to_owned(),
        });
    }
    let context = model.config().context_length;
    let mut base = model.new_cache(longest.saturating_add(config.max_new_tokens).min(context))?;
    base.check_room(longest)?;
    // The last token of a prompt always runs, for its logits.
    let shared = (0..shortest - 1)
        .find(|i| prompts.iter().any(|p| p[*i] != prompts[0][*i]))
        .unwrap_or(shortest - 1);
    let mut logits = Vec::new();
    run(
        model,
        &prompts[0][..shared],
        &mut base,
        LogitsFor::None,
        &mut logits,
    )?;
    let at_once = (CACHES / base.memory().max(1)).clamp(1, ROWS);
    let mut base = Some(base);
    let width = model.config().vocab_size;
    let mut waiting = prompts.iter().enumerate();
    let mut running: Vec<Row> = Vec::new();
    let mut done: Vec<Option<Generation>> = vec![None; prompts.len()];
    loop {
        // Whoever has finished makes room for the next prompt.
        while running.len() < at_once
            && let Some((index, prompt)) = waiting.next()
        {
            let cache = match waiting.len() {
                0 => base.take(),
                _ => base.clone(),
            };
            let mut row = Row {
                index,
                decoding: Decoding::new(config, &model.config().eos_token_ids, prompt.clone())?,
                cache: cache.expect("taken by the last prompt only"),
                next: None,
                text: String::new(),
                tokens: Vec::new(),
                finish_reason: None,
                usage: Usage {
                    prompt_tokens: prompt.len(),
                    reused_tokens: if index == 0 { 0 } else { shared },
                    generated_tokens: 0,
                },
            };
            let rest = &prompt[shared..];
            run(model, rest, &mut row.cache, LogitsFor::Last, &mut logits)?;
            row.step(&logits, vocabulary)?;
            running.push(row);
            retire(&mut running, &mut done);
        }
        if running.is_empty() {
            break;
        }
        let mut sequences: Vec<Sequence<'_>> = running
            .iter_mut()
            .map(|row| Sequence {
                input_ids: row.next.as_slice(),
                cache: &mut row.cache,
            })
            .collect();
        model.forward_batch(&mut sequences, &mut logits)?;
        for (row_logits, row) in logits.chunks(width).zip(&mut running) {
            row.step(row_logits, vocabulary)?;
        }
        retire(&mut running, &mut done);
    }
    Ok(done.into_iter().flatten().collect())
}

/// Takes out rows that have ended, and with them their caches.
fn retire(running: &mut Vec<Row>, done: &mut [Option<Generation>]) {
    for row in running.extract_if(.., |row| row.finish_reason.is_some() || row.next.is_none()) {
        let index = row.index;
        done[index] = Some(row.finish());
    }
}

impl Row {
    fn step(&mut self, logits: &[f32], vocabulary: &dyn Vocabulary) -> Result<(), DecodeError> {
        if self.decoding.tokens_left() > 0 {
            let step = self.decoding.step(logits, vocabulary)?;
            self.usage.generated_tokens += 1;
            self.text += &step.text;
            self.next = Some(step.token);
            self.finish_reason = step.finish_reason;
        }
        if self.finish_reason.is_none() {
            self.finish_reason = if self.decoding.tokens_left() == 0 {
                Some(FinishReason::Length)
            } else if has_room(&self.cache) {
                None
            } else {
                Some(FinishReason::ContextFull)
            };
        }
        self.tokens.extend(self.decoding.take_tokens());
        Ok(())
    }

    fn finish(mut self) -> Generation {
        self.text += &self.decoding.held_text();
        Generation {
            text: self.text,
            tokens: self.tokens,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Length),
            usage: self.usage,
        }
    }
}

/// Reads tokens a chunk at a time; `wanted` is for the last one.
fn run(
    model: &dyn LanguageModel,
    tokens: &[TokenId],
    cache: &mut KvCache,
    wanted: LogitsFor,
    logits: &mut Vec<f32>,
) -> Result<(), DecodeError> {
    let size = model.prefill_chunk().max(1);
    let last = tokens.len().div_ceil(size).saturating_sub(1);
    for (i, chunk) in tokens.chunks(size).enumerate() {
        let wanted = match i == last {
            true => wanted,
            false => LogitsFor::None,
        };
        model.forward_ids(chunk, cache, wanted, logits)?;
    }
    Ok(())
}
