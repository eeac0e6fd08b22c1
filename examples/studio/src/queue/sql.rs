//! Records in SQLite and PostgreSQL. Both understand the same statements.

use std::collections::HashMap;

use super::{JobState, QueueError};

pub(super) const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS studio_jobs (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        version BIGINT NOT NULL,
        body TEXT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS studio_jobs_by_state ON studio_jobs (state, id)",
];

macro_rules! records {
    ($name:ident, $pool:ty) => {
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            pub(super) pool: $pool,
        }

        impl $name {
            pub(super) async fn open(pool: $pool) -> Result<Self, QueueError> {
                for statement in TABLES {
                    sqlx::query(statement).execute(&pool).await?;
                }
                Ok(Self { pool })
            }

            pub(super) async fn insert(
                &self,
                id: &str,
                state: JobState,
                body: &str,
            ) -> Result<(), QueueError> {
                sqlx::query(
                    "INSERT INTO studio_jobs (id, state, version, body) VALUES ($1, $2, 1, $3)",
                )
                .bind(id)
                .bind(state.name())
                .bind(body)
                .execute(&self.pool)
                .await?;
                Ok(())
            }

            pub(super) async fn get(&self, id: &str) -> Result<Option<(String, i64)>, QueueError> {
                let row = sqlx::query_as("SELECT body, version FROM studio_jobs WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await?;
                Ok(row)
            }

            pub(super) async fn replace(
                &self,
                id: &str,
                version: i64,
                _: JobState,
                state: JobState,
                body: &str,
            ) -> Result<bool, QueueError> {
                let done = sqlx::query(
                    "UPDATE studio_jobs SET state = $1, body = $2, version = version + 1 \
                     WHERE id = $3 AND version = $4",
                )
                .bind(state.name())
                .bind(body)
                .bind(id)
                .bind(version)
                .execute(&self.pool)
                .await?;
                Ok(done.rows_affected() == 1)
            }

            pub(super) async fn delete(&self, id: &str) -> Result<(), QueueError> {
                sqlx::query("DELETE FROM studio_jobs WHERE id = $1")
                    .bind(id)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            pub(super) async fn list(
                &self,
                state: Option<JobState>,
                limit: u32,
                before: Option<&str>,
            ) -> Result<Vec<String>, QueueError> {
                let rows: Vec<(String,)> = sqlx::query_as(
                    "SELECT body FROM studio_jobs WHERE ($1 = '' OR state = $1) \
                     AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
                )
                .bind(state.map_or("", JobState::name))
                .bind(before.unwrap_or_default())
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
                Ok(rows.into_iter().map(|row| row.0).collect())
            }

            pub(super) async fn counts(&self) -> Result<HashMap<JobState, u64>, QueueError> {
                let rows: Vec<(String, i64)> =
                    sqlx::query_as("SELECT state, COUNT(*) FROM studio_jobs GROUP BY state")
                        .fetch_all(&self.pool)
                        .await?;
                let state = |name: &str| JobState::ALL.into_iter().find(|s| s.name() == name);
                let counts = rows.into_iter().filter_map(|(name, count)| {
                    Some((state(&name)?, u64::try_from(count).unwrap_or(0)))
                });
                Ok(counts.collect())
            }
        }
    };
}

records!(SqliteRecords, sqlx::SqlitePool);
#[cfg(feature = "postgres")]
records!(PgRecords, sqlx::PgPool);
