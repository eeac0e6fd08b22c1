//! Tickets, by apalis.
//!
//! A priority is a queue of its own, since apalis has priorities in SQLite and PostgreSQL only.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apalis_core::backend::TaskSink;
use apalis_core::backend::ext::BackendExt;
use apalis_core::error::{BoxDynError, WorkerError};
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_sqlite::SqliteStorage;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;
use tower::limit::ConcurrencyLimitLayer;

use super::records::Records;
use super::{Priority, QueueError, sql};

/// Between two looks into an empty queue.
const POLL: Duration = Duration::from_millis(200);
/// Signs of life that may be missing.
const MISSED: usize = 2;
/// Tickets that were used are kept this long.
const KEEP: Duration = Duration::from_secs(3600);

/// Does what a ticket says.
pub(super) type Handler =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone)]
enum Backend {
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "redis")]
    Redis(redis::aio::ConnectionManager),
}

#[derive(Clone)]
pub(super) struct Delivery {
    backend: Backend,
    heartbeat: Duration,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}

/// Opens what a URL names.
pub(super) async fn open(
    url: &str,
    heartbeat: Duration,
) -> Result<(Records, Delivery), QueueError> {
    let (records, backend) = match url.split_once("://").unwrap_or((url, "")) {
        ("sqlite", file) => {
            let pool = open_sqlite(file).await?;
            let records = sql::SqliteRecords::open(pool.clone()).await?;
            (Records::Sqlite(records), Backend::Sqlite(pool))
        }
        #[cfg(feature = "postgres")]
        ("postgres" | "postgresql", _) => {
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(10)
                .connect(url)
                .await?;
            apalis_postgres::PostgresStorage::migrations()
                .run(&pool)
                .await
                .map_err(sqlx::Error::from)?;
            let records = sql::PgRecords::open(pool.clone()).await?;
            (Records::Postgres(records), Backend::Postgres(pool))
        }
        #[cfg(feature = "redis")]
        ("redis" | "rediss", _) => {
            let connection = redis::Client::open(url)?.get_connection_manager().await?;
            let records = super::redis::RedisRecords::new(connection.clone());
            (Records::Redis(records), Backend::Redis(connection))
        }
        (scheme, _) => {
            return Err(QueueError::Url {
                // What follows may hold a password.
                url: format!("{scheme}://…"),
                hint: match scheme {
                    "redis" | "rediss" => "; this build lacks the feature redis",
                    "postgres" | "postgresql" => "; this build lacks the feature postgres",
                    _ => "",
                },
            });
        }
    };
    Ok((records, Delivery { backend, heartbeat }))
}

async fn open_sqlite(file: &str) -> Result<SqlitePool, QueueError> {
    if let Some(folder) = std::path::Path::new(file).parent() {
        std::fs::create_dir_all(folder).map_err(sqlx::Error::from)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What a client was told to be queued is on the disk.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(20));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;
    // Two processes that start at once may make the tables at once; who is second finds them made.
    let mut tries = 0;
    while let Err(error) = SqliteStorage::migrations().run(&pool).await {
        tries += 1;
        if tries == 20 {
            return Err(sqlx::Error::from(error).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(pool)
}

fn queue(priority: Priority) -> String {
    format!("glyph-studio-{}", priority.name())
}

/// The storage of a priority's tickets. A macro, as each backend has types of its own.
macro_rules! storage {
    ($module:ident :: $storage:ident, $connection:expr, $self:ident, $priority:expr) => {{
        let config = $module::Config::default()
            .queue(queue($priority))
            .batch_size(1)
            .heartbeat_interval($self.heartbeat)
            .missed_heartbeats(MISSED);
        $module::$storage::<String>::new($connection).with_config(config)
    }};
}

macro_rules! send {
    ($storage:expr, $id:ident, $delay:ident) => {{
        let mut ticket = TaskBuilder::new($id.to_owned());
        if !$delay.is_zero() {
            ticket = ticket.run_after($delay);
        }
        let sent = $storage.push_task(ticket.build()).await;
        sent.map_err(|error| QueueError::Push(error.to_string()))
    }};
}

macro_rules! work {
    ($storage:expr, $name:ident, $places:ident, $handler:ident, $stop:ident) => {{
        let worker = WorkerBuilder::new($name)
            .backend($storage.poll_with_interval(POLL))
            .layer(ConcurrencyLimitLayer::new($places))
            .build(move |id: String| {
                let handled = $handler(id);
                async move {
                    handled.await;
                    Ok::<(), BoxDynError>(())
                }
            });
        worker
            .run_until(async move {
                // A sender that is gone stops as well.
                let _ = $stop.wait_for(|stop| *stop).await;
                Ok::<(), WorkerError>(())
            })
            .await
    }};
}

impl Delivery {
    /// Sends a ticket, to be delivered after a while.
    pub(super) async fn send(
        &self,
        id: &str,
        priority: Priority,
        delay: Duration,
    ) -> Result<(), QueueError> {
        match &self.backend {
            Backend::Sqlite(pool) => {
                send!(
                    storage!(apalis_sqlite::SqliteStorage, pool, self, priority),
                    id,
                    delay
                )
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(pool) => {
                send!(
                    storage!(apalis_postgres::PostgresStorage, pool, self, priority),
                    id,
                    delay
                )
            }
            #[cfg(feature = "redis")]
            Backend::Redis(connection) => {
                let connection = connection.clone();
                send!(
                    storage!(apalis_redis::RedisStorage, connection, self, priority),
                    id,
                    delay
                )
            }
        }
    }

    /// Hands tickets of a priority to `handler`, at most `places` at once, until told to stop;
    /// then waits for those that were handed out.
    pub(super) async fn work(
        &self,
        name: String,
        priority: Priority,
        places: usize,
        handler: Handler,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), WorkerError> {
        match &self.backend {
            Backend::Sqlite(pool) => {
                let storage = storage!(apalis_sqlite::SqliteStorage, pool, self, priority);
                work!(storage, name, places, handler, stop)
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(pool) => {
                let storage = storage!(apalis_postgres::PostgresStorage, pool, self, priority);
                work!(storage, name, places, handler, stop)
            }
            #[cfg(feature = "redis")]
            Backend::Redis(connection) => {
                let connection = connection.clone();
                let storage = storage!(apalis_redis::RedisStorage, connection, self, priority);
                work!(storage, name, places, handler, stop)
            }
        }
    }

    /// Deletes tickets that were used.
    pub(super) async fn clean(&self) {
        use apalis_core::backend::Vacuum;
        for priority in Priority::ALL {
            let cleaned = match &self.backend {
                Backend::Sqlite(pool) => {
                    let mut storage = storage!(apalis_sqlite::SqliteStorage, pool, self, priority);
                    storage.vacuum_before(KEEP).await.map_err(|e| e.to_string())
                }
                #[cfg(feature = "postgres")]
                // apalis has no such call here.
                Backend::Postgres(pool) => sqlx::query(
                    "DELETE FROM apalis.jobs WHERE job_type = $1 AND status IN ('Done', 'Killed') \
                     AND done_at < now() - make_interval(secs => $2)",
                )
                .bind(queue(priority))
                .bind(KEEP.as_secs_f64())
                .execute(pool)
                .await
                .map(|done| done.rows_affected() as usize)
                .map_err(|error| error.to_string()),
                #[cfg(feature = "redis")]
                Backend::Redis(connection) => {
                    let connection = connection.clone();
                    let mut storage =
                        storage!(apalis_redis::RedisStorage, connection, self, priority);
                    storage.vacuum_before(KEEP).await.map_err(|e| e.to_string())
                }
            };
            if let Err(error) = cleaned {
                tracing::warn!(%error, "used tickets cannot be deleted");
            }
        }
    }
}
