//! Listens, and stops in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::api::{self, documents};
use crate::app::{App, StartError};
use crate::settings::Settings;

/// Connections that are open when the server stops have this long besides what jobs have.
const LINGER: Duration = Duration::from_secs(5);

/// Between two looks for what is too old to be kept.
const EXPIRE: Duration = Duration::from_secs(1200);

/// Serves until the process is told to stop. `listening` is told the address.
///
/// # Errors
/// If the server cannot start.
pub async fn serve(
    settings: Settings,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let address = settings.address;
    if !address.ip().is_loopback() && settings.api_keys.is_empty() {
        tracing::warn!(%address, "others can reach this server, and it asks for no key");
    }
    let shutdown = settings.shutdown;
    let app = App::open(settings).await?;
    let listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    tracing::info!(%address, "listening");
    listening(address);
    let service = api::router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let stop = app.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop_signal().await;
        tracing::info!("stopping");
        stop.stopping.send_replace(true);
    });
    let jobs = tokio::spawn(app.worker.clone().run(shutdown));
    let expiring = tokio::spawn(expire(app.clone()));
    let mut stopping = app.stopping.subscribe();
    let late = async {
        // The sender lives as long as the app.
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(shutdown + LINGER).await;
    };
    tokio::select! {
        served = serving => served.map_err(listen)?,
        () = late => tracing::warn!("connections were still open and are cut"),
    }
    expiring.abort();
    // Jobs finish or are queued again within their own time.
    let _ = jobs.await;
    tracing::info!("stopped");
    Ok(())
}

/// Deletes now and then what is kept for a while only.
async fn expire(app: Arc<App>) {
    loop {
        if let Err(error) = documents::expire(&app).await {
            tracing::warn!(%error, "what is too old cannot be deleted");
        }
        tokio::time::sleep(EXPIRE).await;
    }
}

/// Runs queued jobs, and serves nothing, until the process is told to stop.
///
/// # Errors
/// If the worker cannot start.
pub async fn work(settings: Settings) -> Result<(), StartError> {
    let shutdown = settings.shutdown;
    let app = App::open(settings).await?;
    tracing::info!(jobs = app.settings.workers, "working");
    let jobs = tokio::spawn(app.worker.clone().run(shutdown));
    stop_signal().await;
    tracing::info!("stopping");
    app.stopping.send_replace(true);
    let _ = jobs.await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for ctrl-c or SIGTERM.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
