//! `orderstream run`: the service, until it is told to stop.
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::operations::Operations;
use crate::service::Service;
use crate::service::vitals::Vitals;
use crate::service::watch::Watch;
use crate::settings::{LogFormat, Logging, Settings};
use crate::{control, notify, restoring};

#[derive(clap::Args)]
pub struct Arguments {
    /// Where /metrics, /health and /ready are; instead of gateway.listen. Empty: nowhere.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Arguments {
    /// The settings that it gives: key, option, value.
    pub fn options(&self) -> Option<(&'static str, &'static str, String)> {
        self.listen.clone().map(|listen| ("gateway.listen", "--listen", listen))
    }
}

/// Until SIGTERM, SIGINT, or a part that fails.
///
/// # Errors
/// It could not start, or a part failed.
pub fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    log(&settings.logging)?;
    control::check_length(&settings.node.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let vitals = Arc::new(Vitals::new(settings, Arc::new(runtime::SystemClock)));
    let watch = Arc::new(Watch::new(settings, vitals));
    // Before the data directory: where the port is busy, nothing is touched; and a long start can be watched.
    if !settings.gateway.listen.is_empty() {
        watch.listen(&runtime, gateway::bind(&settings.gateway.listen)?, settings)?;
    }
    // From here on a signal is heard, also while the service still starts.
    let signals = runtime.block_on(async { Signals::listen() })?;
    let service = Service::start_watched(settings, &watch)?;
    notify::notify(notify::READY);
    let served = runtime.block_on(serve(settings, &service, signals));
    notify::notify(notify::STOPPING);
    let stopped = service.stop();
    let _ = std::fs::remove_file(settings.node.data_dir.join(control::SOCKET_NAME));
    served.and(stopped)?;
    tracing::info!("stopped");
    Ok(crate::exit::DONE.into())
}

/// What asks the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("could not listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("could not listen for SIGINT")?,
        })
    }
}

async fn serve(settings: &Settings, service: &Service, mut signals: Signals) -> anyhow::Result<()> {
    let started_at = domain::Timestamp(service.store.clock.now_ms());
    let operations = Operations::new(service.store.clone(), settings, service.behaviour.clone());
    let operations = operations.running(started_at, service.vitals());
    let operate: control::Operate = Arc::new(move |request, body| operations.answer(request, body));
    let stop = service.stop_signal();
    let stopped =
        tokio::task::spawn_blocking(move || while !stop.wait(std::time::Duration::from_secs(3_600)) {});
    tracing::info!(data_dir = %settings.node.data_dir.display(), "ready");
    let outcome = tokio::select! {
        _ = signals.terminate.recv() => Ok("SIGTERM"),
        _ = signals.interrupt.recv() => Ok("SIGINT"),
        _ = stopped => Ok("a part that failed"),
        served = control::serve(&settings.node.data_dir, operate) => served.map(|()| "the control socket"),
    };
    // Whoever waits for it above would else keep the runtime from ending.
    service.stop_signal().stop();
    outcome.map(|because| tracing::info!(because, "stopping"))
}

/// Logs to standard error, so that standard output is for answers.
pub fn log(settings: &Logging) -> anyhow::Result<()> {
    // Colours are for a terminal; in a file or a journal they are noise.
    subscribe(settings, std::io::stderr().is_terminal(), restoring::AboveBars)
}

/// Logs to a file, where a progress bar has the terminal.
pub fn log_to(settings: &Logging, path: &Path) -> anyhow::Result<()> {
    let file =
        std::fs::File::create(path).with_context(|| format!("could not create \"{}\"", path.display()))?;
    subscribe(settings, false, std::sync::Mutex::new(file))
}

fn subscribe<W>(settings: &Logging, colours: bool, writer: W) -> anyhow::Result<()>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.level).with_context(|| {
        format!("logging.level \"{}\" is not a level or a list of target=level", settings.level)
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    // Set once per process; a second call, in tests, keeps the first.
    let _ = match settings.format {
        LogFormat::Pretty => subscriber.try_init(),
        // Fields beside the message, where programs look for them.
        LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
    };
    Ok(())
}
