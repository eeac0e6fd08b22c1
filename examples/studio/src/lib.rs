//! Glyph Studio: the web page, the API and the queue.
//!
//! ```text
//! main      the command line: serve, worker, batch
//! settings  flags, environment, file
//! server    listens, and stops in good order
//! api/      handlers; what they take and give is described for OpenAPI
//! engine    runs tasks on documents: one pipeline, a bounded number of runs
//! document/ uploads are opened in a process of their own and kept in one form
//! drawing   draws pages, and keeps some
//! style     rendering parameters of the pages that one sees
//! task      what is asked and what comes of it
//! queue     jobs and their workers: SQLite, Redis or PostgreSQL
//! store     documents and results, in a folder or in S3
//! batch     one task on every document of a folder
//! metrics, limits, assets, error
//! ```

pub mod api;
pub mod app;
pub mod assets;
pub mod batch;
pub mod document;
pub mod drawing;
pub mod engine;
pub mod error;
pub mod limits;
pub mod metrics;
pub mod queue;
pub mod server;
pub mod settings;
pub mod store;
pub mod style;
pub mod task;

/// Name of the built-in model.
pub const MODEL: &str = "glyph-builtin";
