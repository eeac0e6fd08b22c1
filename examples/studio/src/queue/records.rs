//! Records of jobs, in whichever database the queue is in.

use std::collections::HashMap;
use std::time::Duration;

use super::{Changed, JobState, QueueError, Record, sql};

/// A record with the version that a change of it names.
#[derive(Debug)]
pub(super) struct Versioned {
    pub(super) record: Record,
    pub(super) version: i64,
}

/// Times that a change is tried while others change the same record.
const TRIES: u32 = 50;

#[derive(Debug, Clone)]
pub(super) enum Records {
    Sqlite(sql::SqliteRecords),
    #[cfg(feature = "postgres")]
    Postgres(sql::PgRecords),
    #[cfg(feature = "redis")]
    Redis(super::redis::RedisRecords),
}

macro_rules! each {
    ($self:ident, $records:ident => $do:expr) => {
        match $self {
            Records::Sqlite($records) => $do,
            #[cfg(feature = "postgres")]
            Records::Postgres($records) => $do,
            #[cfg(feature = "redis")]
            Records::Redis($records) => $do,
        }
    };
}

impl Records {
    pub(super) async fn insert(&self, record: &Record) -> Result<(), QueueError> {
        let body = encode(record)?;
        each!(self, records => records.insert(&record.id, record.state, &body).await)
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<Record>, QueueError> {
        Ok(self.versioned(id).await?.map(|found| found.record))
    }

    async fn versioned(&self, id: &str) -> Result<Option<Versioned>, QueueError> {
        let found = each!(self, records => records.get(id).await)?;
        found
            .map(|(body, version)| {
                Ok(Versioned {
                    record: decode(id, &body)?,
                    version,
                })
            })
            .transpose()
    }

    /// Changes a record, if `change` says that it did. It may be called again where another was
    /// faster.
    pub(super) async fn update(
        &self,
        id: &str,
        mut change: impl FnMut(&mut Record) -> bool,
    ) -> Result<Changed, QueueError> {
        for _ in 0..TRIES {
            let Some(Versioned {
                mut record,
                version,
            }) = self.versioned(id).await?
            else {
                return Ok(Changed::Missing);
            };
            let before = record.state;
            if !change(&mut record) {
                return Ok(Changed::Refused(record));
            }
            let body = encode(&record)?;
            let changed = each!(self, records => {
                records.replace(id, version, before, record.state, &body).await
            })?;
            if changed {
                return Ok(Changed::Done(record));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(QueueError::Contended { id: id.to_owned() })
    }

    pub(super) async fn delete(&self, id: &str) -> Result<(), QueueError> {
        each!(self, records => records.delete(id).await)
    }

    pub(super) async fn list(
        &self,
        state: Option<JobState>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Record>, QueueError> {
        let bodies = each!(self, records => records.list(state, limit, before).await)?;
        bodies
            .iter()
            .map(|body| decode("of a list", body))
            .collect()
    }

    pub(super) async fn counts(&self) -> Result<HashMap<JobState, u64>, QueueError> {
        each!(self, records => records.counts().await)
    }
}

fn encode(record: &Record) -> Result<String, QueueError> {
    serde_json::to_string(record).map_err(|error| QueueError::Damaged {
        id: record.id.clone(),
        reason: error.to_string(),
    })
}

fn decode(id: &str, body: &str) -> Result<Record, QueueError> {
    serde_json::from_str(body).map_err(|error| QueueError::Damaged {
        id: id.to_owned(),
        reason: error.to_string(),
    })
}
