//! Sentences in, embeddings out.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use tokenizers::Tokenizer;

use crate::{AlignError, BertInput, BertModel};

/// Texts that run through the model at once.
const BATCH: usize = 32;

/// A BERT with its tokenizer, from a folder of sentence-transformers' layout
/// (all-MiniLM-L6-v2).
#[derive(Debug)]
pub struct SentenceEncoder {
    model: BertModel,
    tokenizer: Tokenizer,
}

impl SentenceEncoder {
    /// Loads `config.json`, `model.safetensors` and `tokenizer.json` of `folder`.
    ///
    /// # Errors
    /// If a file is missing or does not fit.
    pub fn open(folder: impl AsRef<Path>, device: &Device) -> Result<Self, AlignError> {
        let folder = folder.as_ref();
        let model = BertModel::open(folder, device)?;
        let path = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&path).map_err(|e| AlignError::Tokenizer {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        // Padding is the model's affair; texts are cut where its positions end.
        tokenizer.with_padding(None);
        let cut = tokenizers::TruncationParams {
            max_length: model.max_tokens(),
            ..Default::default()
        };
        tokenizer
            .with_truncation(Some(cut))
            .map_err(|e| AlignError::Tokenizer {
                path,
                reason: e.to_string(),
            })?;
        Ok(Self { model, tokenizer })
    }

    /// The model.
    pub fn model(&self) -> &BertModel {
        &self.model
    }

    /// Token ids of a text, with the tokens that begin and end it.
    ///
    /// # Errors
    /// If the tokenizer cannot take the text.
    pub fn tokenize(&self, text: &str) -> Result<BertInput, AlignError> {
        let encoding = self
            .tokenizer
            .encode(text, true)
            .map_err(|e| AlignError::Tokenizer {
                path: "tokenizer.json".into(),
                reason: e.to_string(),
            })?;
        Ok(BertInput {
            input_ids: encoding.get_ids().to_vec(),
            token_type_ids: encoding.get_type_ids().to_vec(),
        })
    }

    /// One embedding of length 1 for each text.
    ///
    /// # Shapes
    /// - output: `[texts.len(), hidden_size]`
    ///
    /// # Errors
    /// If there are no texts, or the tokenizer cannot take one.
    pub fn embed(&self, texts: &[impl AsRef<str>]) -> Result<Tensor<2>, AlignError> {
        let inputs = texts
            .iter()
            .map(|text| self.tokenize(text.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        // Texts of similar length share a batch, so that little is padding.
        let mut order: Vec<usize> = (0..inputs.len()).collect();
        order.sort_by_key(|&i| inputs[i].input_ids.len());
        let mut rows: Vec<Option<Tensor<2>>> = vec![None; inputs.len()];
        for batch in order.chunks(BATCH) {
            let texts: Vec<BertInput> = batch.iter().map(|&i| inputs[i].clone()).collect();
            let embeds = self.model.sentence_embeds(&texts)?;
            for (row, &i) in batch.iter().enumerate() {
                rows[i] = Some(embeds.clone().narrow(0, row, 1));
            }
        }
        if rows.is_empty() {
            self.model.sentence_embeds(&[])?;
        }
        Ok(Tensor::cat(rows.into_iter().flatten().collect(), 0))
    }
}
