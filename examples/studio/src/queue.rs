//! Jobs: what is known of them, and who runs them.
//!
//! The queue proper is apalis: it delivers tickets, which are ids of jobs, from SQLite, Redis or
//! PostgreSQL to any number of workers, and delivers a ticket again when the worker that had it
//! shows no sign of life. What apalis has not in all three (priorities, progress, cancelling,
//! retries that back off, a list of dead jobs) stands in a record of our own beside it, in the
//! same database.
//!
//! A record is changed by comparing its version, and a job belongs to the attempt that the record
//! names until a lease ends. So a ticket that is delivered twice does no harm, and tickets may be sent
//! before the record that they are about is changed: whatever a process that is killed leaves
//! behind, there is a ticket for every job that is not done.

mod delivery;
mod gate;
mod records;
#[cfg(feature = "redis")]
mod redis;
mod sql;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorDetail};
use crate::store::Store;
use crate::task::{Mode, Outcome, ProgressOut, Task};
use delivery::Delivery;
pub use gate::Gate;
use records::Records;
pub use worker::Worker;

/// Why the queue cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The URL is of no kind that is known.
    #[error(
        "queue {url:?}: expected sqlite://FILE, redis://HOST/DB or postgres://USER@HOST/DATABASE{hint}"
    )]
    Url {
        /// The URL, without its password.
        url: String,
        /// What to do.
        hint: &'static str,
    },
    /// SQLite or PostgreSQL fails.
    #[error("queue: {0}")]
    Sql(#[from] sqlx::Error),
    /// Redis fails.
    #[cfg(feature = "redis")]
    #[error("queue: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// A ticket cannot be sent.
    #[error("queue: a ticket cannot be sent: {0}")]
    Push(String),
    /// A record is not what was expected.
    #[error("queue: the record of job {id} is damaged: {reason}")]
    Damaged {
        /// The job.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// A record is changed by others all the time.
    #[error("queue: job {id} is being changed by others")]
    Contended {
        /// The job.
        id: String,
    },
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        Self::internal(error)
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits.
    Queued,
    /// A worker has it.
    Running,
    /// It has a result.
    Done,
    /// It cannot be done: trying again would not help.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was tried as often as is allowed.
    Dead,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Dead,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// Whether nothing happens to the job any more by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Which jobs come first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After all others.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// A job as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id: a ULID, so that ids sort by age.
    pub id: String,
    /// Where it is.
    pub state: JobState,
    /// What is asked.
    pub task: Task,
    /// Name of the document.
    pub document_name: String,
    /// Which jobs come first.
    pub priority: Priority,
    /// Times that it was begun.
    pub attempts: u32,
    /// How far it is.
    pub progress: Option<ProgressOut>,
    /// Why it failed the last time.
    pub error: Option<JobError>,
    /// When it was queued.
    pub created: DateTime<Utc>,
    /// When it was begun the last time.
    pub started: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub finished: Option<DateTime<Utc>>,
    /// The worker that has it.
    pub worker: Option<String>,
    /// The attempt that the worker makes, or that brought the job to its end: a worker may still
    /// be in an earlier attempt, after the job was cancelled and queued again.
    #[serde(default)]
    pub claim: Option<String>,
    /// Until when it belongs to that worker.
    pub lease: Option<DateTime<Utc>>,
    /// When a ticket was sent for it the last time.
    pub ticket: DateTime<Utc>,
    /// The beginning of what came of it.
    #[serde(default)]
    pub summary_line: Option<String>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// What kind of error it is, for programs.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl From<&ApiError> for JobError {
    fn from(error: &ApiError) -> Self {
        let ErrorDetail { code, message, .. } = error.body().error;
        Self { code, message }
    }
}

/// A job as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The document.
    pub document_id: String,
    /// Its name.
    pub document_name: String,
    /// What is done.
    pub mode: Mode,
    /// The question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How many sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<usize>,
    /// Names of fields to look for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The model that writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// Where it is.
    pub state: JobState,
    /// Which jobs come first.
    pub priority: Priority,
    /// Times that it was begun.
    pub attempts: u32,
    /// How far it is.
    pub progress: Option<ProgressOut>,
    /// Why it failed the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// When it was queued.
    #[schema(value_type = String, format = DateTime)]
    pub created: DateTime<Utc>,
    /// When it was begun the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<DateTime<Utc>>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished: Option<DateTime<Utc>>,
    /// The beginning of what came of it, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_line: Option<String>,
    /// What came of it, where the job alone is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
}

impl From<Record> for Job {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            document_id: record.task.document_id,
            document_name: record.document_name,
            mode: record.task.mode,
            question: record.task.question,
            sentences: record.task.sentences,
            fields: record.task.fields,
            writer: record.task.writer,
            state: record.state,
            priority: record.priority,
            attempts: record.attempts,
            progress: record.progress,
            error: record.error,
            created: record.created,
            started: record.started,
            finished: record.finished,
            summary_line: record.summary_line,
            result: None,
        }
    }
}

/// Sends jobs and tells of them. Workers are made with [`Worker::new`].
#[derive(Debug, Clone)]
pub struct Queue {
    records: Records,
    delivery: Delivery,
    store: Store,
}

impl Queue {
    /// Opens `sqlite://FILE`, `redis://…` or `postgres://…`, and makes the tables that are missing.
    ///
    /// # Errors
    /// If it cannot be reached, or this build has no support for it.
    pub async fn open(url: &str, heartbeat: Duration, store: Store) -> Result<Self, QueueError> {
        let (records, delivery) = delivery::open(url, heartbeat).await?;
        Ok(Self {
            records,
            delivery,
            store,
        })
    }

    /// Queues a task.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn submit(
        &self,
        task: Task,
        document_name: String,
        priority: Priority,
    ) -> Result<Record, QueueError> {
        let now = Utc::now();
        let record = Record {
            id: ulid::Ulid::generate().to_string(),
            state: JobState::Queued,
            task,
            document_name,
            priority,
            attempts: 0,
            progress: None,
            error: None,
            created: now,
            started: None,
            finished: None,
            worker: None,
            claim: None,
            lease: None,
            ticket: now,
            summary_line: None,
        };
        self.records.insert(&record).await?;
        self.delivery
            .send(&record.id, priority, Duration::ZERO)
            .await?;
        Ok(record)
    }

    /// A job.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn get(&self, id: &str) -> Result<Option<Record>, QueueError> {
        self.records.get(id).await
    }

    /// Jobs, the newest first: those in `state` where given, and older than `before`.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn list(
        &self,
        state: Option<JobState>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Record>, QueueError> {
        self.records.list(state, limit, before).await
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn counts(&self) -> Result<HashMap<JobState, u64>, QueueError> {
        self.records.counts().await
    }

    /// Cancels a job that is not at its end; its worker notices within a second.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn cancel(&self, id: &str) -> Result<Changed, QueueError> {
        self.records
            .update(id, |record| {
                if record.state.is_final() {
                    return false;
                }
                record.state = JobState::Cancelled;
                record.finished = Some(Utc::now());
                record.worker = None;
                record.claim = None;
                record.lease = None;
                true
            })
            .await
    }

    /// Queues a job again that came to its end without a result.
    ///
    /// # Errors
    /// If the queue cannot be reached.
    pub async fn retry(&self, id: &str) -> Result<Changed, QueueError> {
        let again = |state| {
            matches!(
                state,
                JobState::Failed | JobState::Cancelled | JobState::Dead
            )
        };
        match self.records.get(id).await? {
            None => return Ok(Changed::Missing),
            Some(record) if !again(record.state) => return Ok(Changed::Refused(record)),
            // The ticket goes first: see the module's page.
            Some(record) => {
                let soon = Duration::from_secs(1);
                self.delivery.send(id, record.priority, soon).await?;
            }
        }
        self.records
            .update(id, |record| {
                if !again(record.state) {
                    return false;
                }
                record.state = JobState::Queued;
                record.attempts = 0;
                record.error = None;
                record.progress = None;
                record.finished = None;
                record.summary_line = None;
                record.ticket = Utc::now();
                true
            })
            .await
    }

    /// Deletes a job that is at its end, and its results.
    ///
    /// # Errors
    /// If the queue or the store cannot be reached.
    pub async fn delete(&self, id: &str) -> Result<Changed, ApiError> {
        match self.records.get(id).await? {
            None => Ok(Changed::Missing),
            Some(record) if !record.state.is_final() => Ok(Changed::Refused(record)),
            Some(record) => {
                // Also what an attempt left whose worker died.
                self.store.delete_folder(&format!("jobs/{id}")).await?;
                self.records.delete(id).await?;
                Ok(Changed::Done(record))
            }
        }
    }

    /// What came of a job.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn result(&self, record: &Record) -> Result<Option<Outcome>, ApiError> {
        match &record.claim {
            Some(claim) if record.state == JobState::Done => {
                let name = result_name(&record.id, claim);
                Ok(self.store.get_json(&name).await?)
            }
            _ => Ok(None),
        }
    }

    /// Whether the queue answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn check(&self) -> Result<(), QueueError> {
        self.records.list(None, 1, None).await.map(|_| ())
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// It was made; the record as it is now.
    Done(Record),
    /// The record is in no state for it.
    Refused(Record),
    /// There is no such job.
    Missing,
}

/// Each attempt has a result of its own, so that one which comes too late takes away its own.
fn result_name(id: &str, claim: &str) -> String {
    format!("jobs/{id}/{claim}.json")
}

/// What is told of jobs that run in this process.
pub(crate) type Events = tokio::sync::broadcast::Sender<Arc<crate::task::Event>>;
