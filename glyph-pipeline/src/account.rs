//! What a run cost: tokens and seconds.

use serde::Serialize;

/// Counts the tokens that a text would cost a language model.
///
/// The tokenizer is OpenAI's `o200k_base`, embedded by the crate `bpe-openai`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenCounter;

impl TokenCounter {
    /// Name of the tokenizer.
    pub const NAME: &'static str = "o200k_base";

    /// Number of tokens of a text.
    pub fn count(&self, text: &str) -> usize {
        bpe_openai::o200k_base().count(text)
    }
}

/// Text tokens against vision tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TokenAccount {
    /// Name of the tokenizer of `text`.
    pub tokenizer: &'static str,
    /// Tokens of the document's text, as read from its pages.
    pub text: usize,
    /// Vision tokens of the scan.
    pub vision_global: usize,
    /// Vision tokens of the crops, and of what was encoded again.
    pub vision_local: usize,
    /// Of those, vision tokens of places that were doubtful and were encoded again: finely what was
    /// read coarsely, and then with patches that begin elsewhere.
    pub vision_reread: usize,
    /// Text tokens per vision token.
    pub ratio: f64,
    /// What a language model read and wrote; nothing without one. In tokens of its own tokenizer.
    #[serde(skip_serializing_if = "WriterTokens::is_zero")]
    pub writer: WriterTokens,
}

/// Tokens of the language model that writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WriterTokens {
    /// Tokens of all prompts.
    pub prompt: usize,
    /// Of those, tokens that the model had read before and kept.
    pub reused: usize,
    /// Tokens written.
    pub output: usize,
}

impl WriterTokens {
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, usage: &glyph_decode::Usage) {
        self.prompt += usage.prompt_tokens;
        self.reused += usage.reused_tokens;
        self.output += usage.generated_tokens;
    }
}

impl TokenAccount {
    pub(crate) fn new(text: usize, vision_global: usize, vision_local: usize) -> Self {
        let vision = vision_global + vision_local;
        let ratio = if vision == 0 {
            0.0
        } else {
            text as f64 / vision as f64
        };
        Self {
            tokenizer: TokenCounter::NAME,
            text,
            vision_global,
            vision_local,
            vision_reread: 0,
            ratio: (ratio * 100.0).round() / 100.0,
            writer: WriterTokens::default(),
        }
    }

    /// Adds tokens of places that were encoded again.
    pub(crate) fn with_reread(self, tokens: usize) -> Self {
        Self {
            vision_reread: tokens,
            ..Self::new(self.text, self.vision_global, self.vision_local + tokens)
        }
    }
}

/// Wall seconds of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StageSeconds {
    /// Typesetting the pages.
    pub render: f64,
    /// Encoding every page coarsely.
    pub scan: f64,
    /// Reading the scan.
    pub scan_readout: f64,
    /// Scoring rows and choosing crops.
    pub select: f64,
    /// Encoding the crops finely.
    pub crops: f64,
    /// Reading the crops.
    pub crops_readout: f64,
    /// Making the answer from what was read, and counting tokens.
    pub answer: f64,
    /// All of it.
    pub total: f64,
}
