//! Where published versions are: in a running service, or in a data directory on which none runs.
use anyhow::bail;
use domain::CatalogVersion;
use domain::catalog::{Catalog, CatalogDocument};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::control::{Client, Request};
use crate::service::Store;
use crate::service::catalog::{self, Listed, Publication};
use crate::settings::Settings;

pub struct Source {
    runtime: Runtime,
    place: Place,
}

enum Place {
    Service(Box<Client>),
    Directory(Box<Store>),
}

impl Source {
    /// The service that runs on the data directory, else the directory, which must be there: looking must not create one.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be used.
    pub fn find(settings: &Settings) -> anyhow::Result<Source> {
        if !Store::is_there(settings) {
            bail!(
                "there is no log in \"{}\"; publish a catalog or run the service there first, or name another one with --data-dir",
                settings.node.data_dir.display()
            );
        }
        Source::open(settings, &empty()?)
    }

    /// The same; where nothing is in the directory yet, it is made, with what this catalog needs.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Source> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let place = match runtime.block_on(Client::connect(&settings.node.data_dir))? {
            Some(client) => Place::Service(Box::new(client)),
            None => Place::Directory(Box::new(Store::open(settings, catalog)?)),
        };
        Ok(Source { runtime, place })
    }

    pub fn list(&mut self) -> anyhow::Result<Vec<Listed>> {
        match &self.place {
            Place::Service(_) => self.ask(&Request::ListCatalogs, &[]),
            Place::Directory(store) => catalog::list(store),
        }
    }

    pub fn show(&mut self, version: &CatalogVersion) -> anyhow::Result<Option<Catalog>> {
        match &self.place {
            Place::Service(_) => {
                let text: Option<String> =
                    self.ask(&Request::ShowCatalog { version: version.clone() }, &[])?;
                let read = text.map(|text| Catalog::from_json(&text)).transpose();
                read.map_err(|findings| anyhow::anyhow!(catalog::lines(&findings)))
            }
            Place::Directory(store) => Ok(catalog::published(store)?.get(version).cloned()),
        }
    }

    pub fn offer(&mut self, offered: &Catalog) -> anyhow::Result<Publication> {
        match &self.place {
            Place::Service(_) => {
                let document = offered.to_json();
                let request = Request::PublishCatalog { body_bytes: document.len() };
                self.ask(&request, document.as_bytes())
            }
            Place::Directory(store) => catalog::offer(store, offered),
        }
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request, body: &[u8]) -> anyhow::Result<T> {
        match &mut self.place {
            Place::Service(client) => self.runtime.block_on(client.ask(request, body)),
            Place::Directory(_) => bail!("no service runs that could be asked"),
        }
    }
}

/// A catalog of nothing: for looking into a log, whose own versions say which topics it has.
fn empty() -> anyhow::Result<Catalog> {
    let document = CatalogDocument::empty("none".into());
    Catalog::new(document).map_err(|findings| anyhow::anyhow!(catalog::lines(&findings)))
}
