//! Images of passages in, embeddings out: what a trained head is used through.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use burn_store::{ModuleSnapshot, SafetensorsStore};
use glyph_decode::{LineReading, Readout};
use glyph_encode::builtin::{load_weights, pack, unpack};
use glyph_encode::{Detail, EncoderInput, VisionEncoder};
use glyph_render::{Document, Page, RenderConfig, Typesetter};

use super::{AlignmentHead, AlignmentHeadConfig, PassageWords, WordBatch};
use crate::AlignError;

/// Passages that run through the head at once.
const BATCH: usize = 256;

impl AlignmentHead {
    /// Loads what [`save_packed`](Self::save_packed) wrote into a head of the sizes of `config`.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn from_packed(
        config: &AlignmentHeadConfig,
        name: &str,
        packed: &[u8],
        device: &Device,
    ) -> Result<Self, AlignError> {
        let fail = |reason: String| AlignError::Checkpoint {
            path: name.into(),
            reason,
        };
        let bytes = unpack(packed).map_err(fail)?;
        let mut head = config.init(device);
        load_weights(&mut head, SafetensorsStore::from_bytes(Some(bytes))).map_err(fail)?;
        Ok(head)
    }

    /// Writes the weights, matrices in eight bits.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_packed(&self, path: &Path) -> Result<(), AlignError> {
        let fail = |reason: String| AlignError::Write {
            path: path.to_owned(),
            reason,
        };
        let mut store = SafetensorsStore::from_bytes(None);
        self.save_into(&mut store)
            .map_err(|e| fail(e.to_string()))?;
        let bytes = store.get_bytes().map_err(|e| fail(e.to_string()))?;
        let packed = pack(&bytes).map_err(fail)?;
        std::fs::write(path, packed).map_err(|e| fail(e.to_string()))
    }

    /// Embeddings of passages that are read already, of length 1, row after row.
    ///
    /// # Shapes
    /// - output: `[passages.len(), embedding_size]`
    ///
    /// # Errors
    /// If the head sees vision tokens, which words alone do not have.
    pub fn embed(
        &self,
        passages: &[PassageWords],
        device: &Device,
    ) -> Result<Vec<f32>, AlignError> {
        let mut out = Vec::with_capacity(passages.len() * self.embedding_size());
        for batch in passages.chunks(BATCH) {
            let batch: Vec<&PassageWords> = batch.iter().collect();
            let embeds = self.forward(WordBatch::new(&batch, device), None)?;
            let values = embeds.into_data().convert::<f32>();
            out.extend(values.try_to_vec::<f32>().map_err(|e| AlignError::Input {
                what: "embeddings",
                expected: "numbers of 32 bits".to_owned(),
                found: format!("{e:?}"),
            })?);
        }
        Ok(out)
    }
}

/// An encoder, a readout and a head: places images of passages, and of questions, in the space of the
/// text encoder that the head was trained against. No text encoder is needed to run it.
pub struct ImageEmbedder {
    encoder: Box<dyn VisionEncoder>,
    readout: Box<dyn Readout>,
    head: AlignmentHead,
    typesetter: Typesetter,
    detail: Detail,
    device: Device,
}

impl fmt::Debug for ImageEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageEmbedder")
            .field("encoder", &self.encoder.fingerprint())
            .finish_non_exhaustive()
    }
}

impl ImageEmbedder {
    /// The built-in encoder, readout and head: English, in the space of all-MiniLM-L6-v2.
    ///
    /// # Errors
    /// If the embedded weights do not fit, which the crate's tests rule out.
    #[cfg(feature = "builtin-weights")]
    pub fn builtin(device: &Device) -> Result<Self, AlignError> {
        let head = AlignmentHead::from_packed(
            &AlignmentHeadConfig::new(),
            "embedded alignment.safetensors",
            include_bytes!("../../assets/alignment.safetensors"),
            device,
        )?;
        let encoder = glyph_encode::BuiltinEncoder::new(device)?;
        let readout = glyph_decode::BuiltinReadout::new(device)?;
        Self::new(encoder, readout, head, device)
    }

    /// Puts stages together; they run on `device`.
    ///
    /// # Errors
    /// If the built-in style cannot be set up.
    pub fn new(
        encoder: impl VisionEncoder + 'static,
        readout: impl Readout + 'static,
        head: AlignmentHead,
        device: &Device,
    ) -> Result<Self, AlignError> {
        Ok(Self {
            encoder: Box::new(encoder),
            readout: Box::new(readout),
            head,
            typesetter: Typesetter::new(RenderConfig::builtin())?,
            detail: Detail::Local,
            device: device.clone(),
        })
    }

    /// Chooses the ratio that passages are encoded at; the finer one if this is not called.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The head.
    pub fn head(&self) -> &AlignmentHead {
        &self.head
    }

    /// Draws a text as pages of the built-in style.
    ///
    /// # Errors
    /// If a page cannot be drawn.
    pub fn draw(&self, text: &str) -> Result<Vec<Page>, AlignError> {
        let document = Document::from_text(text);
        let pages = self.typesetter.pages(&document);
        Ok(pages.collect::<Result<_, _>>()?)
    }

    /// Encodes pages and reads their rows.
    ///
    /// # Errors
    /// If the encoder or the readout fails.
    pub fn read(&self, pages: &[Page]) -> Result<Vec<LineReading>, AlignError> {
        let mut lines = Vec::new();
        for page in pages {
            let tokens = self.encoder.encode(EncoderInput::page(page, self.detail))?;
            lines.extend(self.readout.read(&tokens)?);
        }
        Ok(lines)
    }

    /// The words of an image of `text`, which exists as pixels in between.
    ///
    /// # Errors
    /// As [`draw`](Self::draw) and [`read`](Self::read).
    pub fn words(&self, text: &str) -> Result<PassageWords, AlignError> {
        let lines = self.read(&self.draw(text)?)?;
        Ok(PassageWords::of_lines(&lines, self.head.buckets()))
    }

    /// Embeddings of passages that are encoded and read already, of length 1, row after row.
    ///
    /// # Shapes
    /// - output: `[passages.len(), embedding_size]`
    ///
    /// # Errors
    /// If the head sees vision tokens, which words alone do not have.
    pub fn embed_words(&self, passages: &[PassageWords]) -> Result<Vec<f32>, AlignError> {
        self.head.embed(passages, &self.device)
    }

    /// Embeddings of passages given as rows that were read, as [`embed_words`](Self::embed_words).
    ///
    /// # Errors
    /// As [`embed_words`](Self::embed_words).
    pub fn embed_lines<'a>(
        &self,
        passages: impl IntoIterator<Item = &'a [LineReading]>,
    ) -> Result<Vec<f32>, AlignError> {
        let words: Vec<PassageWords> = passages
            .into_iter()
            .map(|lines| PassageWords::of_lines(lines, self.head.buckets()))
            .collect();
        self.embed_words(&words)
    }

    /// Embeddings of images of texts, as [`embed_words`](Self::embed_words).
    ///
    /// # Errors
    /// As [`words`](Self::words).
    pub fn embed_texts(&self, texts: &[impl AsRef<str>]) -> Result<Vec<f32>, AlignError> {
        let words = texts
            .iter()
            .map(|text| self.words(text.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        self.embed_words(&words)
    }
}
