//! Summaries by a vision-language model: as many pages as it has room for, then the parts together.

use std::ops::Range;
use std::time::Instant;

use glyph_encode::preprocess::page_to_rgb;
use glyph_render::Document;

use super::{Costs, answer_tokens, text_tokens};
use crate::page_writer::{PageView, PageWriter, ViewRequest};
use crate::pipeline::finish;
use crate::{
    Pipeline, PipelineError, Reply, SectionSummary, StageSeconds, TokenAccount, WrittenSummary,
};

const PAGES_TASK: &str = "Summarize these pages in a few sentences.";
const PARTS_TASK: &str = "Above are summaries of consecutive parts of one document. Summarize the \
     whole document in a few sentences.";
/// The share of the progress that the parts take; the rest is for joining them.
const PARTS_SHARE: f64 = 0.9;

impl Pipeline {
    /// Lets the page writer summarise a document of any length, as many pages at a time as its
    /// context, or the budget of vision tokens, has room for.
    pub(crate) fn summarize_from_pages(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
    ) -> Result<Reply<WrittenSummary>, PipelineError> {
        let started = Instant::now();
        let batches = self.batches(writer, document)?;
        let mut render = started.elapsed().as_secs_f64();
        let mut tokens = TokenAccount::new(text_tokens(document), 0, 0);
        let mut sections: Vec<SectionSummary> = Vec::new();
        let mut unfinished = None;
        let mut pages = self.view_renderer.pages(document);
        for (i, batch) in batches.iter().enumerate() {
            let drawing = Instant::now();
            let mut views = Vec::new();
            for page in pages.by_ref().take(batch.len()) {
                let page = page?;
                views.push(PageView {
                    picture: page_to_rgb(&page)?,
                    page: page.number,
                    bbox: None,
                });
            }
            render += drawing.elapsed().as_secs_f64();
            let request = ViewRequest::new(&views, PAGES_TASK, answer_tokens(writer));
            let span = |done: f64| PARTS_SHARE * (i as f64 + done) / batches.len() as f64;
            let written = self.write_from_pages(writer, &request, batch.end as usize - 1, span)?;
            tokens.vision_local += written.vision_tokens;
            tokens.writer.add(&written.usage);
            let text = written.text.trim().to_owned();
            if text.is_empty() {
                unfinished = Some(written.finish_reason);
                continue;
            }
            sections.push(SectionSummary {
                first_page: batch.start,
                last_page: batch.end - 1,
                text,
                evidence: Vec::new(),
                quoted: false,
            });
        }
        if let (true, Some(reason)) = (sections.is_empty(), unfinished) {
            return Err(PipelineError::Unfinished {
                writer: writer.name().to_owned(),
                what: "summary",
                reason: crate::writing::name_of(&reason),
            });
        }
        let parts = sections.iter().map(|section| {
            let (first, last) = (section.first_page, section.last_page);
            format!("[pages {first}-{last}] {}", section.text)
        });
        let text = match &sections[..] {
            [only] => only.text.clone(),
            _ => self.join_parts(writer, parts.collect(), &mut tokens)?,
        };
        let seen = batches.last().map_or(0, |batch| batch.end as usize - 1);
        if self.tell_writing(seen, 1.0).is_break() {
            return Err(PipelineError::Cancelled { pages: seen });
        }
        let reply = Reply {
            output: (),
            tokens,
            seconds: StageSeconds {
                render,
                ..StageSeconds::default()
            },
            crops: Vec::new(),
        };
        let output = WrittenSummary {
            text,
            sections,
            quoted: false,
            checked: false,
            writer: writer.name().to_owned(),
        };
        Ok(finish(reply, output, started, 0.0))
    }

    /// Consecutive pages that fit one request each. Pages are only counted, not kept.
    fn batches(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
    ) -> Result<Vec<Range<u32>>, PipelineError> {
        let answer = answer_tokens(writer);
        let text = writer.text_tokens(&ViewRequest::new(&[], PAGES_TASK, answer))?;
        let context = writer.context_length();
        let room = context.saturating_sub(text + answer);
        let room = self.max_vision_tokens.map_or(room, |most| most.min(room));
        let mut batches: Vec<Range<u32>> = Vec::new();
        let mut used = 0;
        let mut costs = Costs::new(writer);
        for page in self.view_renderer.pages(document) {
            let page = page?;
            let cost = costs.of(page.height, page.width, page.number)?;
            if cost > room {
                return Err(PipelineError::TooManyVisionTokens {
                    vision_tokens: cost,
                    limit: room,
                    over: cost - room,
                    context_length: context,
                });
            }
            match batches.last_mut() {
                Some(batch) if used + cost <= room => {
                    batch.end = page.number + 1;
                    used += cost;
                }
                _ => {
                    batches.push(page.number..page.number + 1);
                    used = cost;
                }
            }
        }
        match batches.is_empty() {
            true => Err(PipelineError::NoText { pages: 0 }),
            false => Ok(batches),
        }
    }

    /// One text from those of the parts: in groups that fit, until one is left.
    fn join_parts(
        &self,
        writer: &dyn PageWriter,
        mut parts: Vec<String>,
        tokens: &mut TokenAccount,
    ) -> Result<String, PipelineError> {
        let answer = answer_tokens(writer);
        let room = writer.context_length().saturating_sub(answer);
        let task = |parts: &[String]| format!("{}\n\n{PARTS_TASK}", parts.join("\n\n"));
        let mut left = 1.0 - PARTS_SHARE;
        loop {
            let mut next = Vec::new();
            let mut rest = &parts[..];
            while !rest.is_empty() {
                let mut count = 1;
                while count < rest.len() {
                    let user = task(&rest[..count + 1]);
                    if writer.text_tokens(&ViewRequest::new(&[], &user, answer))? > room {
                        break;
                    }
                    count += 1;
                }
                let (group, after) = rest.split_at(count);
                rest = after;
                if let [only] = group {
                    next.push(only.clone());
                    continue;
                }
                let user = task(group);
                let request = ViewRequest::new(&[], &user, answer);
                let before = parts.len() - rest.len() - count;
                // Nobody knows how many rounds there will be: each takes half of what is left.
                let span = |done: f64| {
                    let round = (before as f64 + done * count as f64) / parts.len() as f64;
                    1.0 - left * (1.0 - 0.5 * round)
                };
                let written = self.write_from_pages(writer, &request, 0, span)?;
                tokens.writer.add(&written.usage);
                let text = written.text.trim();
                // A model that says nothing must not lose what the parts say.
                next.push(match text.is_empty() {
                    true => group.join("\n\n"),
                    false => text.to_owned(),
                });
            }
            // What grows no shorter is said as it is rather than tried for ever.
            if next.len() == 1 || next.len() >= parts.len() {
                return Ok(next.join("\n\n"));
            }
            parts = next;
            left *= 0.5;
        }
    }
}
