//! What has other keys than an order's: product instances, and the health of systems.
use domain::ProductId;
use domain::catalog::{Catalogs, CircuitPolicy};
use domain::downstream::DownstreamObserved;
use domain::inventory::ProductRequest;
use processors::{Arrival, downstream, inventory};
use runtime::{HandlerError, Record};
use schemas::topics;

use super::emit::Envelope;
use super::states::{DownstreamCells, of_key};
use super::{Run, dead_letter, header, place, unreadable, value};
use crate::graph::Processor;
use crate::shell::ShellCells;

impl Run<'_> {
    pub(super) fn product_request(&mut self, record: &Record) -> Result<(), HandlerError> {
        let processor = Processor::Inventory;
        let decoded = self.line.codec.decode(value(record)?);
        let request: ProductRequest =
            decoded.map_err(|e| unreadable("product request could not be read", &e))?;
        let id = header(record, schemas::headers::CE_ID).unwrap_or_else(|| place(record));
        let key: &ProductId = &request.product_id;
        let arrival = self.arrival(processor, &id, self.shell.now());
        let state = self.load(processor, key.as_str())?;
        let decision = inventory::handle(key, state, &request, &arrival);
        self.keep(processor, key.as_str(), decision.state.as_ref())?;
        for output in decision.outputs {
            let to =
                |topic, key| Envelope { topic, key, causation_id: &arrival.id, at: arrival.now, processor };
            match output {
                inventory::Output::Changed(changed) => {
                    self.emitter.record(self.shell, &to(topics::PRODUCT_EVENTS, key.as_str()), &*changed)?;
                }
                inventory::Output::Refused(refused) => {
                    self.emitter.record(self.shell, &to(topics::PRODUCT_EVENTS, key.as_str()), &*refused)?;
                }
                inventory::Output::Signal(signal) => {
                    let envelope = to(topics::ORDER_SIGNALS, signal.order_key.as_str());
                    self.emitter.record(self.shell, &envelope, &*signal)?;
                }
            }
        }
        self.timers(processor, key.as_str(), decision.timers)
    }

    pub(super) fn observation(&mut self, record: &Record) -> Result<(), HandlerError> {
        let decoded = self.line.codec.decode(value(record)?);
        let observed: DownstreamObserved =
            decoded.map_err(|e| unreadable("observation could not be read", &e))?;
        let id = header(record, schemas::headers::CE_ID).unwrap_or_else(|| place(record));
        let arrival = self.arrival(Processor::Downstream, &id, self.shell.now());
        self.watch_system(&observed.system, downstream::Event::Observed(&observed), &arrival)
    }

    pub(super) fn watch_system(
        &mut self,
        system: &str,
        event: downstream::Event<'_>,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let processor = Processor::Downstream;
        if self.line.catalogs.latest().is_none() {
            return Err(HandlerError::Retry("no catalog version is here yet".to_owned()));
        }
        let line = self.line;
        let Some(policy) = circuit_policy(&line.catalogs, system) else {
            return Err(dead_letter(format!("system \"{system}\" is in no published catalog version")));
        };
        let codec = DownstreamCells(&line.state);
        let mut cells = ShellCells::new(self.shell, processor, system.as_bytes(), &codec);
        let (outputs, timers) = downstream::handle(system, &mut cells, event, policy, arrival);
        cells.finish().map_err(|error| of_key(system, error))?;
        for output in outputs {
            let to =
                |topic, key| Envelope { topic, key, causation_id: &arrival.id, at: arrival.now, processor };
            match output {
                downstream::Output::Health(health) => {
                    self.emitter.record(self.shell, &to(topics::DOWNSTREAM_HEALTH, system), &health)?;
                }
                downstream::Output::Signal(signal) => {
                    let envelope = to(topics::ORDER_SIGNALS, signal.order_key.as_str());
                    self.emitter.record(self.shell, &envelope, &signal)?;
                }
            }
        }
        self.timers(processor, system, timers)
    }
}

/// The newest version's, else any version's: orders on older versions may still use a system that the newest has not.
fn circuit_policy<'a>(catalogs: &'a Catalogs, system: &str) -> Option<&'a CircuitPolicy> {
    let others = catalogs.versions().filter_map(|(version, _, _)| catalogs.get(version));
    let mut newest_first = catalogs.latest().into_iter().chain(others);
    newest_first.find_map(|catalog| catalog.systems.get(system)).map(|known| &known.circuit)
}
