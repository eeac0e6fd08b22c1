//! What Prometheus is told.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::task::{Mode, Outcome};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    mode: &'static str,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    cache: &'static str,
    hit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// Seconds from a millisecond to ten minutes.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0,
];

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters and histograms; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    stages: Seconds<Stage>,
    runs: Family<Run, Counter>,
    tokens: Family<Kind, Counter>,
    ratio: Histogram,
    lookups: Family<Lookup, Counter>,
    requests: Family<Request, Counter>,
    request_seconds: Histogram,
    refused: Family<Kind, Counter>,
    queue: Family<State, Gauge>,
    attempts: Family<Kind, Counter>,
    uploads: Family<Kind, Counter>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("glyph_studio");
        let inner = Inner {
            stages: Family::new_with_constructor(seconds),
            runs: Family::default(),
            tokens: Family::default(),
            ratio: Histogram::new([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0]),
            lookups: Family::default(),
            requests: Family::default(),
            request_seconds: seconds(),
            refused: Family::default(),
            queue: Family::default(),
            attempts: Family::default(),
            uploads: Family::default(),
            registry: Registry::default(),
        };
        registry.register_with_unit(
            "stage",
            "Wall time of a run's stage",
            Unit::Seconds,
            inner.stages.clone(),
        );
        registry.register("runs", "Runs by mode and outcome", inner.runs.clone());
        registry.register("tokens", "Tokens of finished runs", inner.tokens.clone());
        registry.register(
            "ratio",
            "Text tokens per vision token of finished runs",
            inner.ratio.clone(),
        );
        registry.register(
            "cache_lookups",
            "Looks into the caches in memory",
            inner.lookups.clone(),
        );
        registry.register(
            "http_requests",
            "Requests by route and status",
            inner.requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time until a response began",
            Unit::Seconds,
            inner.request_seconds.clone(),
        );
        registry.register(
            "refused",
            "Requests that were refused for want of room",
            inner.refused.clone(),
        );
        registry.register("jobs", "Jobs by state", inner.queue.clone());
        registry.register(
            "job_attempts",
            "Attempts at jobs by how they ended",
            inner.attempts.clone(),
        );
        registry.register(
            "uploads",
            "Documents that were uploaded, by kind",
            inner.uploads.clone(),
        );
        Self(Arc::new(Inner { registry, ..inner }))
    }
}

impl Metrics {
    /// A run came to its end.
    pub fn finished(&self, mode: Mode, outcome: &Outcome) {
        let m = &self.0;
        m.runs
            .get_or_create(&Run {
                mode: mode.name(),
                outcome: "done".to_owned(),
            })
            .inc();
        let s = &outcome.seconds;
        for (stage, seconds) in [
            ("wait", s.wait),
            ("open", s.open),
            ("render", s.render),
            ("scan", s.scan),
            ("select", s.select),
            ("crops", s.crops),
            ("answer", s.answer),
            ("total", s.total),
        ] {
            m.stages.get_or_create(&Stage { stage }).observe(seconds);
        }
        let t = &outcome.tokens;
        for (kind, count) in [
            ("text", t.text),
            ("vision_global", t.vision_global),
            ("vision_local", t.vision_local),
            ("writer_prompt", t.writer_prompt),
            ("writer_output", t.writer_output),
        ] {
            m.tokens.get_or_create(&Kind { kind }).inc_by(count as u64);
        }
        m.ratio.observe(t.ratio);
    }

    /// A run failed.
    pub fn failed(&self, mode: Mode, code: &str) {
        self.0
            .runs
            .get_or_create(&Run {
                mode: mode.name(),
                outcome: code.to_owned(),
            })
            .inc();
    }

    /// A cache was looked into.
    pub fn cache(&self, cache: &'static str, hit: bool) {
        let hit = if hit { "true" } else { "false" };
        self.0.lookups.get_or_create(&Lookup { cache, hit }).inc();
    }

    /// A request was answered. `route` is the pattern, not the path, so that there are few.
    pub fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let request = Request {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.0.requests.get_or_create(&request).inc();
        self.0.request_seconds.observe(seconds);
    }

    /// A request was refused: by the `rate`, the `queue` or for want of a `turn`.
    pub fn refused(&self, kind: &'static str) {
        self.0.refused.get_or_create(&Kind { kind }).inc();
    }

    /// How many jobs are in a state.
    pub fn jobs(&self, state: &'static str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.queue.get_or_create(&State { state }).set(count);
    }

    /// An attempt at a job ended.
    pub fn attempt(&self, kind: &'static str) {
        self.0.attempts.get_or_create(&Kind { kind }).inc();
    }

    /// A document was uploaded.
    pub fn uploaded(&self, kind: &str) {
        let known = ["text", "markdown", "pdf", "docx", "images"];
        let kind = known.into_iter().find(|k| *k == kind).unwrap_or("other");
        self.0.uploads.get_or_create(&Kind { kind }).inc();
    }

    /// All of it in the text format of OpenMetrics.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.0.registry);
        out
    }
}
