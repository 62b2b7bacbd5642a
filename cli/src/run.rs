//! `orderstream run`: the service, until it is told to stop.
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::control;
use crate::operations::Operations;
use crate::service::Service;
use crate::settings::{LogFormat, Logging, Settings};

/// Until SIGTERM, SIGINT, or a part that fails.
///
/// # Errors
/// It could not start, or a part failed.
pub fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    log(&settings.logging)?;
    let service = Service::start(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let served = runtime.block_on(serve(settings, &service));
    let stopped = service.stop();
    let _ = std::fs::remove_file(settings.node.data_dir.join(control::SOCKET_NAME));
    served.and(stopped)?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &Settings, service: &Service) -> anyhow::Result<()> {
    let started_at = domain::Timestamp(service.store.clock.now_ms());
    let operations =
        Operations::new(service.store.clone(), settings, service.behaviour.clone()).running(started_at);
    let operate: control::Operate = Arc::new(move |request, body| operations.answer(request, body));
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let stop = service.stop_signal();
    let stopped =
        tokio::task::spawn_blocking(move || while !stop.wait(std::time::Duration::from_secs(3_600)) {});
    tracing::info!(data_dir = %settings.node.data_dir.display(), "ready");
    let outcome = tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = stopped => Ok("a part that failed"),
        served = control::serve(&settings.node.data_dir, operate) => served.map(|()| "the control socket"),
    };
    // Whoever waits for it above would else keep the runtime from ending.
    service.stop_signal().stop();
    outcome.map(|because| tracing::info!(because, "stopping"))
}


/// Logs to standard error, so that standard output is for answers.
pub fn log(settings: &Logging) -> anyhow::Result<()> {
    subscribe(settings, std::io::stderr)
}

/// Logs to a file, where a progress bar has the terminal.
pub fn log_to(settings: &Logging, path: &Path) -> anyhow::Result<()> {
    let file =
        std::fs::File::create(path).with_context(|| format!("could not create \"{}\"", path.display()))?;
    subscribe(settings, std::sync::Mutex::new(file))
}

fn subscribe<W>(settings: &Logging, writer: W) -> anyhow::Result<()>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.level).with_context(|| {
        format!("logging.level \"{}\" is not a level or a list of target=level", settings.level)
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // Set once per process; a second call, in tests, keeps the first.
    let _ = match settings.format {
        LogFormat::Pretty => subscriber.try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    Ok(())
}
