//! Records in Redis: a hash for each job, and for each state a sorted set of ids.

use std::collections::HashMap;

use redis::Script;
use redis::aio::ConnectionManager;

use super::{JobState, QueueError};

const PREFIX: &str = "glyph-studio:";

/// Replaces a record whose version is as expected. Keys: the record, the set of the state before
/// and of the state after. Arguments: id, version, body.
const REPLACE: &str = "
    if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HSET', KEYS[1], 'body', ARGV[3])
    if KEYS[2] ~= KEYS[3] then
        redis.call('ZREM', KEYS[2], ARGV[1])
        redis.call('ZADD', KEYS[3], 0, ARGV[1])
    end
    return 1";

#[derive(Clone)]
pub(super) struct RedisRecords {
    connection: ConnectionManager,
}

impl std::fmt::Debug for RedisRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRecords").finish_non_exhaustive()
    }
}

fn record(id: &str) -> String {
    format!("{PREFIX}job:{id}")
}

fn ids(state: Option<JobState>) -> String {
    format!("{PREFIX}jobs:{}", state.map_or("all", JobState::name))
}

impl RedisRecords {
    pub(super) fn new(connection: ConnectionManager) -> Self {
        Self { connection }
    }

    pub(super) async fn insert(
        &self,
        id: &str,
        state: JobState,
        body: &str,
    ) -> Result<(), QueueError> {
        let mut connection = self.connection.clone();
        let () = redis::pipe()
            .atomic()
            .hset_multiple(record(id), &[("version", "1"), ("body", body)])
            .ignore()
            .zadd(ids(None), id, 0)
            .ignore()
            .zadd(ids(Some(state)), id, 0)
            .ignore()
            .query_async(&mut connection)
            .await?;
        Ok(())
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<(String, i64)>, QueueError> {
        let mut connection = self.connection.clone();
        let (body, version): (Option<String>, Option<i64>) = redis::cmd("HMGET")
            .arg(record(id))
            .arg("body")
            .arg("version")
            .query_async(&mut connection)
            .await?;
        Ok(body.zip(version))
    }

    pub(super) async fn replace(
        &self,
        id: &str,
        version: i64,
        before: JobState,
        state: JobState,
        body: &str,
    ) -> Result<bool, QueueError> {
        let mut connection = self.connection.clone();
        let changed: i64 = Script::new(REPLACE)
            .key(record(id))
            .key(ids(Some(before)))
            .key(ids(Some(state)))
            .arg(id)
            .arg(version)
            .arg(body)
            .invoke_async(&mut connection)
            .await?;
        Ok(changed == 1)
    }

    pub(super) async fn delete(&self, id: &str) -> Result<(), QueueError> {
        let mut connection = self.connection.clone();
        let mut pipe = redis::pipe();
        pipe.atomic().del(record(id)).ignore();
        pipe.zrem(ids(None), id).ignore();
        for state in JobState::ALL {
            pipe.zrem(ids(Some(state)), id).ignore();
        }
        let () = pipe.query_async(&mut connection).await?;
        Ok(())
    }

    pub(super) async fn list(
        &self,
        state: Option<JobState>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<String>, QueueError> {
        let mut connection = self.connection.clone();
        // All scores are 0, so members are in the order of their bytes.
        let newest = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let found: Vec<String> = redis::cmd("ZREVRANGEBYLEX")
            .arg(ids(state))
            .arg(newest)
            .arg("-")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .query_async(&mut connection)
            .await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in &found {
            pipe.hget(record(id), "body");
        }
        let bodies: Vec<Option<String>> = pipe.query_async(&mut connection).await?;
        // One that was deleted in between is not there any more.
        Ok(bodies.into_iter().flatten().collect())
    }

    pub(super) async fn counts(&self) -> Result<HashMap<JobState, u64>, QueueError> {
        let mut connection = self.connection.clone();
        let mut pipe = redis::pipe();
        for state in JobState::ALL {
            pipe.zcard(ids(Some(state)));
        }
        let counts: Vec<u64> = pipe.query_async(&mut connection).await?;
        Ok(JobState::ALL.into_iter().zip(counts).collect())
    }
}
