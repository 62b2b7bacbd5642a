//! What can be asked of a data directory, whether a service runs on it or not: each request of [`crate::control`] is answered here.
//! A command asks a [`Target`] and need not know which of the two it talks to.
use std::sync::Arc;

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::control::{Client, Request};
use crate::service::{Store, catalog};
use crate::settings::Settings;
use crate::submit::fate::fate;

/// Answers requests on an open data directory.
pub struct Operations {
    store: Arc<Store>,
    settings: Settings,
}

impl Operations {
    pub fn new(store: Arc<Store>, settings: &Settings) -> Operations {
        Operations { store, settings: settings.clone() }
    }

    /// Carries out one request; blocking. The answer's type is said with the request.
    ///
    /// # Errors
    /// Why it was refused, or could not be done, for whoever asked.
    pub fn answer(&self, request: Request, body: Vec<u8>) -> anyhow::Result<serde_json::Value> {
        match request {
            Request::Submit(submission) => json(self.store.append(&submission, body)?),
            Request::Fate(receipt) => json(fate(&self.store, &self.settings.subtopologies, &receipt)?),
        }
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
    Directory(Box<Operations>),
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
        let store = Store::open_existing(settings, &catalog::load(&settings.catalog)?)?;
        Ok(Target::Directory(Box::new(Operations::new(Arc::new(store), settings))))
    }

    /// # Errors
    /// As [`Client::ask`], or as [`Operations::answer`].
    pub async fn ask<T: DeserializeOwned>(&mut self, request: Request, body: &[u8]) -> anyhow::Result<T> {
        match self {
            Target::Service(client) => client.ask(&request, body).await,
            Target::Directory(operations) => {
                Ok(serde_json::from_value(operations.answer(request, body.to_vec())?)?)
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
