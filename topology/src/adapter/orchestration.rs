//! Orchestration: its cells, its world, its outputs.
use domain::OrderKey;
use domain::command::Command;
use domain::order::event::OrderDecomposed;
use processors::Arrival;
use processors::orchestration::{self, Event, Output, World};
use runtime::HandlerError;
use schemas::topics;

use super::Run;
use super::emit::Envelope;
use super::states::{OrchestrationCells, of_key};
use crate::graph::Processor;
use crate::shell::ShellCells;

const ORCHESTRATION: Processor = Processor::Orchestration;

impl Run<'_> {
    pub(super) fn orchestrate(
        &mut self,
        key: &OrderKey,
        event: Event,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let line = self.line;
        let codec = OrchestrationCells(&line.state);
        let mut cells = ShellCells::new(self.shell, ORCHESTRATION, key.as_str().as_bytes(), &codec);
        let version = match &event {
            Event::Decomposed(decomposed) => Some(pinned_by(decomposed)),
            Event::Feedback(_) | Event::Signal(_) | Event::Timer { .. } => {
                orchestration::pinned_version(&cells)
            }
        };
        let catalog = version.as_ref().and_then(|version| line.catalogs.get(version));
        if let (Some(version), None) = (&version, catalog) {
            return Err(HandlerError::Retry(format!("catalog version \"{version}\" is not here yet")));
        }
        let world = World { catalog, health: &line.health, settings: line.settings.orchestration };
        let outputs = orchestration::handle(key, &mut cells, event, &world, arrival);
        cells.finish().map_err(|error| of_key(key.as_str(), error))?;
        outputs.into_iter().try_for_each(|output| self.orchestrated(key, output, arrival))
    }

    fn orchestrated(
        &mut self,
        key: &OrderKey,
        output: Output,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let key_bytes = key.as_str().as_bytes();
        let to = |topic, key| Envelope {
            topic,
            key,
            causation_id: &arrival.id,
            at: arrival.now,
            processor: ORCHESTRATION,
        };
        match output {
            Output::Event(event) => return self.event(ORCHESTRATION, event),
            Output::Command(command) => return self.command(ORCHESTRATION, &command, arrival),
            Output::Signal(signal) => {
                self.emitter.record(
                    self.shell,
                    &to(topics::ORDER_SIGNALS, signal.order_key.as_str()),
                    &*signal,
                )?;
            }
            Output::Product(request) => {
                let envelope = to(topics::PRODUCT_REQUESTS, request.product_id.as_str());
                self.emitter.record(self.shell, &envelope, &*request)?;
            }
            Output::Observation(observed) => {
                let envelope = to(topics::DOWNSTREAM_OBSERVATIONS, &observed.system);
                self.emitter.record(self.shell, &envelope, &*observed)?;
            }
            Output::Billing(intent) => {
                self.emitter.record(self.shell, &to(topics::BILLING_INTENTS, key.as_str()), &*intent)?;
            }
            Output::Notification(notification) => {
                self.emitter.record(self.shell, &to(topics::NOTIFICATIONS, key.as_str()), &*notification)?;
            }
            Output::SetTimer { name, due } => self.shell.set_timer(ORCHESTRATION, key_bytes, &name, due)?,
            Output::CancelTimer { name } => self.shell.cancel_timer(ORCHESTRATION, key_bytes, &name)?,
        }
        Ok(())
    }

    /// A command on the topic of its system.
    pub(super) fn command(
        &mut self,
        processor: Processor,
        command: &Command,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let topic = topics::commands(&command.system);
        let envelope = Envelope {
            topic: &topic,
            key: command.order_key.as_str(),
            causation_id: &arrival.id,
            at: arrival.now,
            processor,
        };
        self.line.stages.sent(&command.system);
        self.emitter.record(self.shell, &envelope, command).map(|_| ())
    }
}

fn pinned_by(decomposed: &OrderDecomposed) -> domain::CatalogVersion {
    decomposed.plan.catalog_version.clone()
}
