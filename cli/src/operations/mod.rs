//! What can be asked of a data directory, whether a service runs on it or not: each request of [`crate::control`] is answered here.
//! A command asks a [`Target`] and need not know which of the two it talks to.
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use domain::Timestamp;
use projection::Projection;
use serde::de::DeserializeOwned;

use crate::control::{Client, Request};
use crate::service::vitals::Vitals;
use crate::service::{Behaviour, Store, catalog};
use crate::settings::Settings;
use crate::submit::fate::fate;

pub mod dead_letters;
pub mod downstream;
pub mod status;
pub mod topics;
pub mod topology;

/// Answers requests on an open data directory.
pub struct Operations {
    store: Arc<Store>,
    settings: Settings,
    behaviour: Arc<Behaviour>,
    /// Since when the service runs; absent where this process only looks.
    started_at: Option<Timestamp>,
    /// What the parts of that service say of themselves.
    vitals: Option<Arc<Vitals>>,
    /// Opened when it is first asked for.
    queries: OnceLock<Queries>,
}

/// The projection, for questions; on its own small runtime, since requests are answered on threads without one.
struct Queries {
    /// Taken when it is dropped, and never before.
    runtime: Option<tokio::runtime::Runtime>,
    projection: Projection,
}

impl Queries {
    fn block_on<T>(&self, question: impl Future<Output = Result<T, projection::Error>>) -> anyhow::Result<T> {
        let runtime = self.runtime.as_ref().context("projection is closed")?;
        Ok(runtime.block_on(question)?)
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        // Whoever drops it may be a task itself, and must not wait here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Operations {
    /// On a directory on which no service runs.
    pub fn new(store: Arc<Store>, settings: &Settings, behaviour: Arc<Behaviour>) -> Operations {
        Operations {
            store,
            settings: settings.clone(),
            behaviour,
            started_at: None,
            vitals: None,
            queries: OnceLock::new(),
        }
    }

    /// Beside the service that runs in this process since `started_at`.
    pub fn running(self, started_at: Timestamp, vitals: Arc<Vitals>) -> Operations {
        Operations { started_at: Some(started_at), vitals: Some(vitals), ..self }
    }

    fn is_running(&self) -> bool {
        self.started_at.is_some()
    }

    /// Carries out one request; blocking. The answer's type is said with the request.
    ///
    /// # Errors
    /// Why it was refused, or could not be done, for whoever asked.
    pub fn answer(&self, request: Request, body: Vec<u8>) -> anyhow::Result<serde_json::Value> {
        match request {
            Request::Submit(submission) => json(self.store.append(&submission, body)?),
            Request::ListTopics => json(self.list_topics()?),
            Request::DescribeTopic { topic } => json(self.describe_topic(&topic)?),
            Request::ReadTopic(asked) => json(self.read_topic(&asked)?),
            Request::ListDeadLetters(filter) => json(self.list_dead_letters(&filter)?),
            Request::ShowDeadLetter(place) => json(self.show_dead_letter(&place)?),
            Request::ReplayDeadLetters(replay) => json(self.replay_dead_letters(&replay)?),
            Request::DownstreamStatus => json(self.downstream_status()?),
            Request::ShowScenario => json(self.show_scenario()?),
            Request::SetScenario { .. } => json(self.set_scenario(&body)?),
            Request::ResetScenario => json(self.reset_scenario()?),
            Request::Status => json(self.status()?),
            Request::ShowTopology => json(self.show_topology()?),
            Request::PublishCatalog { .. } => json(catalog::offer_document(&self.store, &body)?),
            Request::ListCatalogs => json(catalog::list(&self.store)?),
            Request::ShowCatalog { version } => {
                let published = catalog::published(&self.store)?;
                json(published.get(&version).map(|catalog| catalog.to_json()))
            }
            Request::Fate(receipt) => json(fate(&self.store, &self.settings.subtopologies, &receipt)?),
        }
    }

    /// Empty where there is no projection yet: looking makes none.
    fn projection_positions(&self) -> anyhow::Result<projection::Positions> {
        let Some(queries) = self.queries()? else { return Ok(projection::Positions::new()) };
        queries.block_on(queries.projection.positions())
    }

    /// Of nothing where there is no projection yet.
    fn projection_summary(&self) -> anyhow::Result<projection::query::Summary> {
        let Some(queries) = self.queries()? else { return Ok(projection::query::Summary::default()) };
        queries.block_on(queries.projection.summary())
    }

    fn queries(&self) -> anyhow::Result<Option<&Queries>> {
        if let Some(queries) = self.queries.get() {
            return Ok(Some(queries));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let projection = match runtime.block_on(Projection::open_existing(&self.settings.projection_url())) {
            Ok(projection) => projection,
            Err(projection::Error::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Another thread may have been quicker: then this one's connections are closed again.
        Ok(Some(self.queries.get_or_init(|| Queries { runtime: Some(runtime), projection })))
    }
}

fn json<T: serde::Serialize>(answer: T) -> anyhow::Result<serde_json::Value> {
    serde_json::to_value(answer).context("answer could not be written")
}

/// Whom a command asks.
pub enum Target {
    /// The service that runs on the directory.
    Service(Client),
    /// No service runs: this process has the directory for itself until it ends.
    Directory(Arc<Operations>),
}

impl Target {
    /// The service that runs on the data directory; else the directory itself, which must be there already.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be opened.
    pub async fn find(settings: &Settings) -> anyhow::Result<Target> {
        if let Some(client) = Client::connect(&settings.node.data_dir).await? {
            return Ok(Target::Service(client));
        }
        let catalog = catalog::load(&settings.catalog)?;
        let store = Arc::new(Store::open_existing(settings, &catalog)?);
        let behaviour = Arc::new(Behaviour::open(settings, &catalog)?);
        Ok(Target::Directory(Arc::new(Operations::new(store, settings, behaviour))))
    }

    /// # Errors
    /// As [`Client::ask`], or as [`Operations::answer`].
    pub async fn ask<T: DeserializeOwned>(&mut self, request: Request, body: &[u8]) -> anyhow::Result<T> {
        match self {
            Target::Service(client) => client.ask(&request, body).await,
            Target::Directory(operations) => {
                let (operations, body) = (operations.clone(), body.to_vec());
                // On a thread where blocking is allowed, as beside a service.
                let answer = tokio::task::spawn_blocking(move || operations.answer(request, body)).await?;
                Ok(serde_json::from_value(answer?)?)
            }
        }
    }
}

/// Runs a command's questions.
///
/// # Errors
/// As the command.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// `partition:offset`, as ids of dead letters are written.
///
/// # Errors
/// What it should look like, for clap to show.
pub fn place(text: &str) -> Result<crate::control::Receipt, String> {
    let place = text.split_once(':').and_then(|(partition, offset)| {
        Some(crate::control::Receipt { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    });
    match place {
        Some(place) if place.offset >= 0 => Ok(place),
        Some(_) | None => Err("no id of a dead letter; they look like 3:17, partition and offset".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_dead_letter_is_a_partition_and_an_offset() {
        assert_eq!(place("3:17").map(|place| (place.partition, place.offset)), Ok((3, 17)));
        for other in ["abc", "3", "3:-1", ":", "-3:1", ""] {
            assert!(place(other).unwrap_err().contains("3:17"), "{other}");
        }
    }
}
