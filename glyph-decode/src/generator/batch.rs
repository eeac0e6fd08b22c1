//! Several prompts at once.

use super::decoding::Decoding;
use super::{Generation, GenerationConfig, PREFILL_CHUNK, Usage, has_room};
use crate::{
    DecodeError, FinishReason, GeneratedToken, KvCache, LanguageModel, LogitsFor, Sequence,
    TokenId, Vocabulary,
};

/// An output in the making.
struct Row {
    decoding: Decoding,
    cache: KvCache,
    next: Option<TokenId>,
    text: String,
    tokens: Vec<GeneratedToken>,
    finish_reason: Option<FinishReason>,
    usage: Usage,
}

/// Answers several prompts together: one forward pass gives each of them a token.
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
    run(model, &prompts[0][..shared], &mut base, &mut logits)?;
    let mut rows = Vec::with_capacity(prompts.len());
    for (i, prompt) in prompts.iter().enumerate() {
        let mut row = Row {
            decoding: Decoding::new(config, &model.config().eos_token_ids, prompt.clone())?,
            cache: base.clone(),
            next: None,
            text: String::new(),
            tokens: Vec::new(),
            finish_reason: None,
            usage: Usage {
                prompt_tokens: prompt.len(),
                reused_tokens: if i == 0 { 0 } else { shared },
                generated_tokens: 0,
            },
        };
        run(model, &prompt[shared..], &mut row.cache, &mut logits)?;
        row.step(&logits, vocabulary)?;
        rows.push(row);
    }
    drop(base);
    let width = model.config().vocab_size;
    loop {
        let mut running = Vec::new();
        let mut sequences = Vec::new();
        for (i, row) in rows.iter_mut().enumerate() {
            if let (None, Some(token)) = (&row.finish_reason, &row.next) {
                running.push(i);
                sequences.push(Sequence {
                    input_ids: std::slice::from_ref(token),
                    cache: &mut row.cache,
                });
            }
        }
        if running.is_empty() {
            break;
        }
        model.forward_batch(&mut sequences, &mut logits)?;
        for (row_logits, i) in logits.chunks(width).zip(running) {
            rows[i].step(row_logits, vocabulary)?;
        }
    }
    Ok(rows.into_iter().map(Row::finish).collect())
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

/// Reads tokens a chunk at a time.
fn run(
    model: &dyn LanguageModel,
    tokens: &[TokenId],
    cache: &mut KvCache,
    logits: &mut Vec<f32>,
) -> Result<(), DecodeError> {
    for chunk in tokens.chunks(PREFILL_CHUNK) {
        model.forward_ids(chunk, cache, LogitsFor::Last, logits)?;
    }
    Ok(())
}
