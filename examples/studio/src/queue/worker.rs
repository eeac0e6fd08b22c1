//! Runs jobs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinSet;

use super::delivery::Handler;
use super::gate::Permit;
use super::result_name;
use super::{Changed, Events, Gate, JobError, JobState, Priority, Queue, QueueError, Record};
use crate::engine::{CancelToken, Engine, Listener};
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::task::{Event, Outcome, ProgressOut};

/// How long runs that were told to stop have to notice it, between two groups of pages.
const LAST: Duration = Duration::from_secs(10);

/// Between two looks whether a job was cancelled, and two notes of how far it is.
const WATCH: Duration = Duration::from_millis(400);
/// A job that waits for so long may have lost its ticket: it gets another.
const TICKET_AGE: Duration = Duration::from_secs(300);
/// How often, and how long each time, a job lets those of a higher priority pass.
const YIELDS: u32 = 50;
const YIELD: Duration = Duration::from_millis(100);
/// Jobs that are looked through for those of a higher priority, the newest first.
const LOOK: u32 = 64;
/// Events of a job that a listener may be behind.
const BEHIND: usize = 1024;

/// Runs the jobs of a queue in this process.
pub struct Worker {
    name: String,
    queue: Queue,
    engine: Arc<Engine>,
    metrics: Metrics,
    gate: Gate,
    places: usize,
    max_attempts: u32,
    retry: Duration,
    lease: Duration,
    stop: watch::Receiver<bool>,
    /// The attempts that run here, by their claims, which sort by age.
    running: Mutex<BTreeMap<String, Attempt>>,
    /// Running jobs go back into the queue.
    giving_up: AtomicBool,
}

/// An attempt that runs.
struct Attempt {
    job: String,
    cancel: CancelToken,
    events: Events,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that takes jobs until `stop` holds true.
    pub fn new(
        settings: &Settings,
        queue: Queue,
        engine: Arc<Engine>,
        metrics: Metrics,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            // No two processes have the same name, wherever they run and whenever they started.
            name: format!("{}-{}", std::process::id(), ulid::Ulid::generate()),
            queue,
            engine,
            metrics,
            gate: Gate::new(settings.workers),
            places: settings.workers,
            max_attempts: settings.max_attempts,
            retry: settings.retry,
            lease: settings.heartbeat * 2,
            stop,
            running: Mutex::default(),
            giving_up: AtomicBool::new(false),
        })
    }

    /// Events of a job, where it runs in this process.
    pub(crate) fn events(&self, id: &str) -> Option<broadcast::Receiver<Arc<Event>>> {
        let running = self.running();
        let newest = running.values().rev().find(|attempt| attempt.job == id);
        Some(newest?.events.subscribe())
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Attempt>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes and runs jobs until told to stop. Those that run then have `grace` to finish; what is
    /// not done by then is queued again.
    pub async fn run(self: Arc<Self>, grace: Duration) {
        if self.places == 0 {
            return;
        }
        let mut takers = JoinSet::new();
        for priority in Priority::ALL {
            // The futures of apalis cannot be proven to be `Send`, so each has a thread to stay on.
            let (worker, runtime) = (self.clone(), Handle::current());
            let (ended, end) = oneshot::channel();
            let taker = std::thread::Builder::new().name(format!("jobs-{}", priority.name()));
            let started = taker.spawn(move || {
                runtime.block_on(worker.take(priority));
                let _ = ended.send(());
            });
            if let Err(error) = started {
                tracing::error!(%error, "no thread can be started; jobs will not run here");
                return;
            }
            takers.spawn(end);
        }
        let watching = tokio::spawn(self.clone().watch_queue());
        let mut stop = self.stop.clone();
        // A sender that is gone stops as well.
        let _ = stop.wait_for(|stop| *stop).await;
        let finished = async { while takers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            self.giving_up.store(true, Ordering::Relaxed);
            for attempt in self.running().values() {
                attempt.cancel.cancel();
            }
            let last = async { while takers.join_next().await.is_some() {} };
            // Whoever is still running after that is found by the end of its lease.
            let _ = tokio::time::timeout(LAST, last).await;
        }
        watching.abort();
    }

    /// Takes jobs of one priority; a lost connection is made again.
    async fn take(self: Arc<Self>, priority: Priority) {
        let mut round = 0;
        while !*self.stop.borrow() {
            round += 1;
            let name = format!("{}-{}-{round}", self.name, priority.name());
            let worker = self.clone();
            let handler: Handler = Arc::new(move |id| {
                let worker = worker.clone();
                Box::pin(async move { worker.ticket(&id, priority).await })
            });
            let delivery = &self.queue.delivery;
            let stop = self.stop.clone();
            let worked = delivery.work(name, priority, self.places, handler, stop);
            if let Err(error) = worked.await {
                tracing::warn!(%error, priority = priority.name(), "the queue was lost; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// A place for a ticket. Each priority hands out few tickets at a time, so that one of a higher
    /// priority may still be on its way while a lower one stands at the gate: it lets that pass.
    async fn place(&self, priority: Priority) -> Permit {
        for _ in 0..YIELDS {
            let permit = self.gate.enter(priority).await;
            if *self.stop.borrow() || !self.higher_waits(priority).await {
                return permit;
            }
            drop(permit);
            tokio::time::sleep(YIELD).await;
        }
        // Those that wait may do so at another host's gate.
        self.gate.enter(priority).await
    }

    /// Whether a job of a higher priority waits for its first attempt.
    async fn higher_waits(&self, priority: Priority) -> bool {
        if priority == Priority::High {
            return false;
        }
        let queued = self.queue.records.list(Some(JobState::Queued), LOOK, None);
        let higher = |record: &Record| record.priority > priority && record.attempts == 0;
        queued.await.is_ok_and(|queued| queued.iter().any(higher))
    }

    /// Does what a ticket says.
    async fn ticket(&self, id: &str, priority: Priority) {
        let permit = self.place(priority).await;
        if let Err(error) = self.job(id, priority).await {
            // The ticket is used up, so there has to be another.
            tracing::warn!(job = id, %error, "a job could not be taken; trying again");
            let again = self
                .queue
                .delivery
                .send(id, priority, Duration::from_secs(1));
            if let Err(error) = again.await {
                tracing::error!(job = id, %error, "its ticket is lost until it is missed");
            }
        }
        drop(permit);
    }

    async fn job(&self, id: &str, priority: Priority) -> Result<(), QueueError> {
        if *self.stop.borrow() {
            return self.queue.delivery.send(id, priority, Duration::ZERO).await;
        }
        let (now, most) = (Utc::now(), self.max_attempts);
        let claim = ulid::Ulid::generate().to_string();
        let claimed = self.queue.records.update(id, |record| {
            let lost = record.lease.is_none_or(|lease| lease < now);
            let free = match record.state {
                JobState::Queued => true,
                JobState::Running => lost,
                _ => false,
            };
            if !free {
                return false;
            }
            if record.attempts >= most {
                record.state = JobState::Dead;
                record.finished = Some(now);
                record.error.get_or_insert_with(|| JobError {
                    code: "worker_lost".to_owned(),
                    message: format!("its worker was lost, {} times", record.attempts),
                });
                return true;
            }
            record.state = JobState::Running;
            record.attempts += 1;
            record.worker = Some(self.name.clone());
            record.claim = Some(claim.clone());
            record.lease = Some(now + self.lease);
            record.started = Some(now);
            record.progress = None;
            true
        });
        match claimed.await? {
            Changed::Done(record) if record.state == JobState::Running => {
                self.attempt(record, claim).await
            }
            Changed::Refused(record) if record.state == JobState::Running => {
                // Another worker has it, which may be dead: look again when its lease has ended.
                let left = record.lease.map_or(Duration::ZERO, |lease| {
                    (lease - now).to_std().unwrap_or_default()
                });
                let delay = left + Duration::from_secs(1);
                self.queue.delivery.send(id, priority, delay).await
            }
            _ => Ok(()),
        }
    }

    async fn attempt(&self, record: Record, claim: String) -> Result<(), QueueError> {
        let id = record.id.clone();
        tracing::info!(
            job = id,
            attempt = record.attempts,
            mode = record.task.mode.name(),
            "job"
        );
        let cancel = CancelToken::default();
        let (events, _) = broadcast::channel(BEHIND);
        {
            let mut running = self.running();
            // One that was cancelled before the job was queued again may not have noticed yet.
            let earlier = running.values().filter(|attempt| attempt.job == id);
            earlier.for_each(|attempt| attempt.cancel.cancel());
            let attempt = Attempt {
                job: id.clone(),
                cancel: cancel.clone(),
                events: events.clone(),
            };
            running.insert(claim.clone(), attempt);
        }
        let progress: Arc<Mutex<Option<ProgressOut>>> = Arc::default();
        let latest = progress.clone();
        let listener: Listener = Arc::new(move |event: Event| {
            if let Event::Progress(now) = &event {
                *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.clone());
            }
            // Nobody may be listening.
            let _ = events.send(Arc::new(event));
        });
        let ended = {
            let run = self
                .engine
                .run(record.task.clone(), listener, cancel.clone(), None);
            let watch = self.watch(&id, &claim, &cancel, &progress);
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => ended,
                // Stopped: the run notices its token soon, and only then is the place free.
                () = watch => run.await,
            }
        };
        let settled = self.settle(&record, &claim, ended).await;
        self.running().remove(&claim);
        settled
    }

    /// Notes how far a job is and keeps its lease, until it is cancelled or belongs to another.
    async fn watch(
        &self,
        id: &str,
        claim: &str,
        cancel: &CancelToken,
        progress: &Mutex<Option<ProgressOut>>,
    ) {
        let mut noted = None;
        let mut renewed = std::time::Instant::now();
        loop {
            tokio::time::sleep(WATCH).await;
            let now = progress
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let mine = |record: &Record| is_of(record, claim);
            let due = now != noted || renewed.elapsed() > self.lease / 4;
            let kept = match due {
                true => {
                    let changed = self.queue.records.update(id, |record| {
                        let mine = mine(record);
                        if mine {
                            record.progress.clone_from(&now);
                            record.lease = Some(Utc::now() + self.lease);
                        }
                        mine
                    });
                    changed
                        .await
                        .map(|changed| matches!(changed, Changed::Done(_)))
                }
                false => {
                    let found = self.queue.records.get(id).await;
                    found.map(|record| record.as_ref().is_some_and(mine))
                }
            };
            match kept {
                Ok(true) if due => (noted, renewed) = (now, std::time::Instant::now()),
                Ok(true) => {}
                Ok(false) => {
                    cancel.cancel();
                    return;
                }
                Err(error) => tracing::warn!(job = id, %error, "the queue does not answer"),
            }
        }
    }

    /// Records how an attempt ended.
    async fn settle(
        &self,
        record: &Record,
        claim: &str,
        ended: Result<Outcome, ApiError>,
    ) -> Result<(), QueueError> {
        let id = &record.id;
        let result = result_name(id, claim);
        let line = ended.as_ref().ok().map(Outcome::line);
        let ended = match ended {
            // The result first: a job that is done has one.
            Ok(outcome) => {
                let put = self.queue.store.put_json(&result, &outcome).await;
                put.map_err(ApiError::from)
            }
            Err(error) => Err(error),
        };
        let gave_up = self.giving_up.load(Ordering::Relaxed);
        let error = ended.err();
        let cancelled = error
            .as_ref()
            .is_some_and(|error| error.code == "cancelled");
        let (state, kind) = match &error {
            None => (JobState::Done, "done"),
            Some(_) if cancelled && gave_up => (JobState::Queued, "requeued"),
            Some(_) if cancelled => (JobState::Cancelled, "cancelled"),
            Some(error) if !error.is_transient() => (JobState::Failed, "failed"),
            Some(_) if record.attempts >= self.max_attempts => (JobState::Dead, "dead"),
            Some(_) => (JobState::Queued, "retried"),
        };
        self.metrics.attempt(kind);
        if state == JobState::Queued {
            let delay = match gave_up {
                true => Duration::ZERO,
                false => {
                    self.retry * 2u32.saturating_pow(record.attempts.saturating_sub(1).min(10))
                }
            };
            // The ticket goes first: see the queue's page.
            self.queue.delivery.send(id, record.priority, delay).await?;
        }
        let changed = self.queue.records.update(id, |now| {
            // Cancelled, deleted, or taken over by another in the meantime.
            if !is_of(now, claim) {
                return false;
            }
            now.state = state;
            now.lease = None;
            now.worker = None;
            if state != JobState::Done {
                now.claim = None;
            }
            now.error = match cancelled {
                true => None,
                false => error.as_ref().map(JobError::from),
            };
            now.summary_line.clone_from(&line);
            if state == JobState::Queued {
                now.ticket = Utc::now();
                if gave_up {
                    now.attempts = now.attempts.saturating_sub(1);
                }
            } else {
                now.finished = Some(Utc::now());
            }
            true
        });
        match changed.await? {
            Changed::Done(now) => tracing::info!(job = id, state = now.state.name(), "job ended"),
            // Nothing leads to what came too late.
            Changed::Refused(_) | Changed::Missing => {
                if state == JobState::Done
                    && let Err(error) = self.queue.store.delete(&result).await
                {
                    tracing::warn!(job = id, %error, "a result that nobody wants cannot be deleted");
                }
            }
        }
        Ok(())
    }

    /// Tells how many jobs there are, deletes used tickets, and gives jobs a ticket whose own was
    /// lost: one that waits for long, and one whose worker was lost before this one started.
    async fn watch_queue(self: Arc<Self>) {
        for round in 0u32.. {
            let counts = match self.queue.counts().await {
                Ok(counts) => counts,
                Err(error) => {
                    tracing::warn!(%error, "the queue does not answer");
                    HashMap::new()
                }
            };
            for state in JobState::ALL {
                let count = counts.get(&state).copied().unwrap_or(0);
                self.metrics.jobs(state.name(), count);
            }
            if round % 12 == 0
                && let Err(error) = self.missed().await
            {
                tracing::warn!(%error, "the queue does not answer");
            }
            if round % 120 == 0 {
                self.queue.delivery.clean().await;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    async fn missed(&self) -> Result<(), QueueError> {
        let now = Utc::now();
        for state in [JobState::Running, JobState::Queued] {
            for record in self.queue.records.list(Some(state), 10_000, None).await? {
                let since = (now - record.ticket).to_std().unwrap_or_default();
                let is_missed = match state {
                    JobState::Running => record.lease.is_none_or(|lease| lease < now),
                    _ => since > TICKET_AGE,
                };
                if is_missed {
                    let delivery = &self.queue.delivery;
                    delivery
                        .send(&record.id, record.priority, Duration::ZERO)
                        .await?;
                    let noted = self.queue.records.update(&record.id, |record| {
                        record.ticket = now;
                        !record.state.is_final()
                    });
                    noted.await?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a job belongs to an attempt.
fn is_of(record: &Record, claim: &str) -> bool {
    record.state == JobState::Running && record.claim.as_deref() == Some(claim)
}

#[cfg(test)]
mod tests;
