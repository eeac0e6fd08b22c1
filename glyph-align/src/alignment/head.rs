//! From a passage's vision tokens to where a text encoder places its text.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Gelu, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use glyph_encode::towers::clip::normalize;

use super::words::PassageWords;
use crate::AlignError;

/// Sizes of an [`AlignmentHead`].
#[derive(Config, Debug, PartialEq)]
pub struct AlignmentHeadConfig {
    /// Rows of the table of hashed words.
    #[config(default = 49152)]
    pub buckets: usize,
    /// Width of a row, and of a passage before the last layers.
    #[config(default = 128)]
    pub word_size: usize,
    /// Width of the hidden layer between a passage's words and its embedding.
    #[config(default = 512)]
    pub hidden_size: usize,
    /// Width of an embedding: that of the teacher.
    #[config(default = 384)]
    pub embedding_size: usize,
    /// Width of the vision tokens that are seen beside the words; 0 where they are not.
    #[config(default = 0)]
    pub token_size: usize,
}

impl AlignmentHeadConfig {
    /// Makes a head with fresh weights.
    pub fn init(&self, device: &Device) -> AlignmentHead {
        let d = self.word_size;
        AlignmentHead {
            table: Initializer::Normal {
                mean: 0.0,
                std: 0.1,
            }
            .init([self.buckets, d], device),
            gate: Initializer::Zeros.init([self.buckets, 1], device),
            tokens: (self.token_size > 0).then(|| TokenPath {
                up: LinearConfig::new(3 * self.token_size, TOKEN_HIDDEN).init(device),
                down: LinearConfig::new(TOKEN_HIDDEN, d).init(device),
                activation: Gelu::new(),
            }),
            skip: LinearConfig::new(d, self.embedding_size).init(device),
            up: LinearConfig::new(d, self.hidden_size).init(device),
            down: LinearConfig::new(self.hidden_size, self.embedding_size).init(device),
            activation: Gelu::new(),
        }
    }
}

/// Width of the hidden layer that vision tokens go through.
const TOKEN_HIDDEN: usize = 256;

/// Words in, one embedding out.
///
/// A passage is the sum of its words' rows, each times what the word is worth (learned) and how sure
/// the readout is of it, brought to length 1 and through one hidden layer: a deep averaging network
/// (Iyyer et al., ACL 2015) over hashed words, distilled from a transformer as MiniLM itself was
/// (Wang et al., arXiv 2002.10957). With `token_size` a convolution over the vision tokens adds what
/// they show besides.
#[derive(Module, Debug)]
pub struct AlignmentHead {
    table: Param<Tensor<2>>,
    gate: Param<Tensor<2>>,
    tokens: Option<TokenPath>,
    skip: Linear,
    up: Linear,
    down: Linear,
    activation: Gelu,
}

#[derive(Module, Debug)]
struct TokenPath {
    up: Linear,
    down: Linear,
    activation: Gelu,
}

/// Hashed words of several passages as tensors; shorter ones are padded with words of weight 0.
#[derive(Debug, Clone)]
pub struct WordBatch {
    /// Rows of the table, `[passages, longest]`.
    pub ids: Tensor<2, Int>,
    /// How much each counts, `[passages, longest]`.
    pub weights: Tensor<2>,
}

impl WordBatch {
    /// Pads the passages to the longest.
    pub fn new(passages: &[&PassageWords], device: &Device) -> Self {
        let longest = passages
            .iter()
            .map(|p| p.ids.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let shape = [passages.len(), longest];
        let (mut ids, mut weights) = (Vec::new(), Vec::new());
        for (i, passage) in passages.iter().enumerate() {
            ids.extend(passage.ids.iter().map(|&id| id as i32));
            ids.resize((i + 1) * longest, 0);
            weights.extend_from_slice(&passage.weights);
            weights.resize((i + 1) * longest, 0.0);
        }
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            weights: Tensor::from_data(TensorData::new(weights, shape), device),
        }
    }
}

impl AlignmentHead {
    /// Rows of the table.
    pub fn buckets(&self) -> u32 {
        self.table.dims()[0] as u32
    }

    /// Width of an embedding.
    pub fn embedding_size(&self) -> usize {
        self.skip.weight.dims()[1]
    }

    /// Whether it was made to see vision tokens beside the words.
    pub fn sees_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Embeddings of passages, of length 1. `tokens` are each passage's vision tokens in reading
    /// order, padded with zeros, where the head was made to see them; else they are not looked at.
    ///
    /// # Shapes
    /// - `words`: `[passages, longest]` each
    /// - `tokens`: `[passages, most_tokens, token_size]`
    /// - output: `[passages, embedding_size]`
    ///
    /// # Errors
    /// If there is no passage, or the head sees tokens and there are none, or they have another width.
    pub fn forward(
        &self,
        words: WordBatch,
        tokens: Option<Tensor<3>>,
    ) -> Result<Tensor<2>, AlignError> {
        let [passages, longest] = words.ids.dims();
        if passages == 0 || longest == 0 {
            return Err(AlignError::Shape {
                what: "words of passages (at least one each)",
                expected: vec![passages.max(1), longest.max(1)],
                found: vec![passages, longest],
            });
        }
        let d = self.table.dims()[1];
        let flat = words.ids.reshape([passages * longest]);
        let rows = self
            .table
            .val()
            .select(0, flat.clone())
            .reshape([passages, longest, d]);
        let gate = self
            .gate
            .val()
            .select(0, flat)
            .reshape([passages, longest])
            .exp();
        let sum: Tensor<2> = (gate * words.weights)
            .reshape([passages, 1, longest])
            .matmul(rows)
            .reshape([passages, d]);
        let mut v = unit(sum);
        if let Some(path) = &self.tokens {
            v = v + path.forward(tokens, passages)?;
        }
        let h = self.activation.forward(self.up.forward(v.clone()));
        Ok(normalize(self.skip.forward(v) + self.down.forward(h)))
    }
}

/// Scaled so that the mean square of a row is 1; a row of zeros stays.
fn unit(x: Tensor<2>) -> Tensor<2> {
    let power = x.clone().square().mean_dim(1);
    x / power.add_scalar(1e-6).sqrt()
}

impl TokenPath {
    /// Each token with its neighbours through two layers, averaged over a passage.
    fn forward(&self, tokens: Option<Tensor<3>>, passages: usize) -> Result<Tensor<2>, AlignError> {
        let [width, hidden] = self.up.weight.dims();
        let expected = vec![passages, 0, width / 3];
        let fail = |found: Vec<usize>| AlignError::Shape {
            what: "vision tokens of passages (any number each)",
            expected: expected.clone(),
            found,
        };
        let tokens = tokens.ok_or_else(|| fail(Vec::new()))?;
        let [found, n, d] = tokens.dims();
        if (found, 3 * d) != (passages, width) || n == 0 {
            return Err(fail(tokens.dims().to_vec()));
        }
        let inked = tokens.clone().abs().sum_dim(2).greater_elem(0.0).float();
        let edge = Tensor::<3>::zeros([passages, 1, d], &tokens.device());
        let before = Tensor::cat(vec![edge.clone(), tokens.clone().narrow(1, 0, n - 1)], 1);
        let after = Tensor::cat(vec![tokens.clone().narrow(1, 1, n - 1), edge], 1);
        let x = Tensor::cat(vec![before, tokens, after], 2).reshape([passages * n, width]);
        let h = self
            .activation
            .forward(self.up.forward(x))
            .reshape([passages, n, hidden]);
        let count = inked.clone().sum_dim(1).add_scalar(1e-6);
        let mean = (h * inked).sum_dim(1) / count;
        Ok(self.down.forward(mean.reshape([passages, hidden])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::seeded;

    fn passage(text: &str, config: &AlignmentHeadConfig) -> PassageWords {
        PassageWords::of_text(text, config.buckets as u32)
    }

    #[test]
    fn embeddings_have_length_one_and_do_not_depend_on_the_batch() {
        let device = Device::default();
        let config = AlignmentHeadConfig::new()
            .with_buckets(512)
            .with_word_size(32)
            .with_token_size(8);
        let head = seeded(&device, 3, || config.init(&device));
        let (a, b) = (
            passage("a short one", &config),
            passage("and a passage of more words", &config),
        );
        let tokens = Tensor::<3>::ones([2, 5, 8], &device);
        let both = head
            .forward(WordBatch::new(&[&a, &b], &device), Some(tokens.clone()))
            .expect("it fits");
        let alone = head
            .forward(
                WordBatch::new(&[&a], &device),
                Some(tokens.clone().narrow(0, 0, 1)),
            )
            .expect("it fits");
        let numbers = |x: Tensor<2>| -> Vec<f32> { x.into_data().try_to_vec().expect("f32") };
        let (both, alone) = (numbers(both), numbers(alone));
        for (x, y) in both.iter().zip(&alone) {
            assert!((x - y).abs() < 1e-5, "{x} {y}");
        }
        for row in both.chunks(384) {
            let length: f32 = row.iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
        let none = head.forward(WordBatch::new(&[&a], &device), None);
        assert!(matches!(none, Err(AlignError::Shape { .. })));
    }

    #[test]
    fn a_passage_without_a_word_has_an_embedding() {
        let device = Device::default();
        let config = AlignmentHeadConfig::new()
            .with_buckets(64)
            .with_word_size(32);
        let empty = PassageWords::default();
        let out = seeded(&device, 3, || config.init(&device))
            .forward(WordBatch::new(&[&empty], &device), None)
            .expect("it fits");
        let values: Vec<f32> = out.into_data().try_to_vec().expect("f32");
        assert!(values.iter().all(|v| v.is_finite()));
    }
}
