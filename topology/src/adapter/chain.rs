//! The order-keyed processors behind capture: who hears an event, an answer, a signal or a timer, and what becomes of it.
use domain::OrderKey;
use domain::catalog::Catalog;
use domain::command::{Feedback, FeedbackKind};
use domain::limits::TEXT_BYTES_MAX;
use domain::order::event::{OrderEvent, OrderSignal};
use processors::capture::CATALOG_VERSION_NONE;
use processors::{
    Arrival, Timer, decomposition, downstream, fallout, orchestration, stuck_orders, validation,
};
use runtime::{HandlerError, Record};

use super::states::{FalloutCells, of_key};
use super::{Run, dead_letter, header, place, unreadable, value};
use crate::cause;
use crate::graph::Processor;
use crate::shell::ShellCells;

impl Run<'_> {
    /// One processor hears one event. Its `now` is the time that the event was decided at.
    pub(super) fn hear(
        &mut self,
        listener: Processor,
        event: &OrderEvent,
        id: &str,
    ) -> Result<(), HandlerError> {
        let arrival = self.arrival(listener, id, event.at());
        let key = event.order_key();
        match listener {
            Processor::Validation => match event {
                OrderEvent::OrderCaptured(captured) => {
                    let version = &captured.order.catalog_version;
                    if version.as_str() != CATALOG_VERSION_NONE {
                        self.pinned(version)?;
                    }
                    self.validate(key, validation::Event::Captured(captured), &arrival)
                }
                OrderEvent::OrderStateChanged(changed) => {
                    self.validate(key, validation::Event::StateChanged(changed), &arrival)
                }
                other => unheard(listener, other),
            },
            Processor::Decomposition => match event {
                OrderEvent::OrderValidated(validated) => {
                    let catalog = self.pinned(&validated.order.catalog_version)?;
                    let decided = decomposition::handle(validated, Some(catalog), &arrival);
                    self.event(listener, decided)
                }
                other => unheard(listener, other),
            },
            Processor::Orchestration => match event {
                OrderEvent::OrderDecomposed(decomposed) => {
                    self.orchestrate(key, orchestration::Event::Decomposed(decomposed.clone()), &arrival)
                }
                other => unheard(listener, other),
            },
            Processor::Fallout => self.fall_out(key, event, &arrival),
            Processor::StuckOrders => self.scan(key, stuck_orders::Event::Order(event), &arrival),
            Processor::Capture | Processor::Inventory | Processor::Downstream => unheard(listener, event),
        }
    }

    /// An answer: validation takes what answers its question, orchestration the rest.
    pub(super) fn feedback(&mut self, record: &Record) -> Result<(), HandlerError> {
        let decoded = self.line.codec.decode(value(record)?);
        let feedback: Feedback = decoded.map_err(|e| unreadable("feedback could not be read", &e))?;
        self.placed(record, &feedback.order_key)?;
        acceptable(&feedback)?;
        if self.shell.is_misplaced(&record.topic, feedback.order_key.as_str().as_bytes()) {
            return self.send_on(record, &feedback.order_key);
        }
        self.line.stages.answered(&feedback.system, feedback.kind);
        let (key, now) = (feedback.order_key.clone(), self.shell.now());
        let id = cause::of_answer(&feedback);
        if self.has(Processor::Validation) {
            let arrival = self.arrival(Processor::Validation, &id, now);
            self.validate(&key, validation::Event::Feedback(&feedback), &arrival)?;
        }
        if self.has(Processor::Orchestration) {
            let arrival = self.arrival(Processor::Orchestration, &id, now);
            self.orchestrate(&key, orchestration::Event::Feedback(Box::new(feedback)), &arrival)?;
        }
        Ok(())
    }

    pub(super) fn signal(&mut self, record: &Record) -> Result<(), HandlerError> {
        let decoded = self.line.codec.decode(value(record)?);
        let signal: OrderSignal = decoded.map_err(|e| unreadable("signal could not be read", &e))?;
        self.placed(record, &signal.order_key)?;
        let id = header(record, schemas::headers::CE_ID).unwrap_or_else(|| place(record));
        let arrival = self.arrival(Processor::Orchestration, &id, self.shell.now());
        let key = signal.order_key.clone();
        self.orchestrate(&key, orchestration::Event::Signal(Box::new(signal)), &arrival)
    }

    /// A record whose key is not its order's would be handled in another order's place.
    fn placed(&self, record: &Record, key: &OrderKey) -> Result<(), HandlerError> {
        if record.key.as_deref() == Some(key.as_str().as_bytes()) {
            return Ok(());
        }
        Err(dead_letter(format!(
            "the record's key is not the order key \"{key}\" that it names; send it under that key"
        )))
    }

    pub(super) fn timer(
        &mut self,
        processor: Processor,
        key: &str,
        name: &str,
        id: &str,
    ) -> Result<(), HandlerError> {
        let arrival = self.arrival(processor, id, self.shell.now());
        let order_key = OrderKey::from(key);
        match processor {
            Processor::Validation => self.validate(&order_key, validation::Event::TimerFired, &arrival),
            Processor::Orchestration => {
                self.orchestrate(&order_key, orchestration::Event::Timer { name: name.to_owned() }, &arrival)
            }
            Processor::StuckOrders => self.scan(&order_key, stuck_orders::Event::TimerFired, &arrival),
            Processor::Downstream => self.watch_system(key, downstream::Event::TimerFired(name), &arrival),
            Processor::Capture | Processor::Decomposition | Processor::Fallout | Processor::Inventory => {
                Err(dead_letter(format!("processor \"{}\" sets no timers", processor.name())))
            }
        }
    }

    fn validate(
        &mut self,
        key: &OrderKey,
        event: validation::Event<'_>,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let processor = Processor::Validation;
        let state: Option<validation::State> = self.load(processor, key.as_str())?;
        let line = self.line;
        let decision = validation::handle(key, state, event, &line.catalogs, arrival);
        self.keep(processor, key.as_str(), decision.state.as_ref())?;
        for output in decision.outputs {
            match output {
                validation::Output::Event(event) => self.event(processor, event)?,
                validation::Output::Command(command) => self.command(processor, &command, arrival)?,
            }
        }
        self.timers(processor, key.as_str(), decision.timers)
    }

    fn fall_out(
        &mut self,
        key: &OrderKey,
        event: &OrderEvent,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let processor = Processor::Fallout;
        let line = self.line;
        let codec = FalloutCells(&line.state);
        let mut cells = ShellCells::new(self.shell, processor, key.as_str().as_bytes(), &codec);
        let events = fallout::handle(key, &mut cells, event, &line.catalogs, arrival);
        cells.finish().map_err(|error| of_key(key.as_str(), error))?;
        events.into_iter().try_for_each(|event| self.event(processor, event))
    }

    fn scan(
        &mut self,
        key: &OrderKey,
        event: stuck_orders::Event<'_>,
        arrival: &Arrival,
    ) -> Result<(), HandlerError> {
        let processor = Processor::StuckOrders;
        let state = self.load(processor, key.as_str())?;
        let decision = stuck_orders::handle(key, state, event, &self.line.settings.stuck_orders, arrival);
        self.keep(processor, key.as_str(), decision.state.as_ref())?;
        for event in decision.outputs {
            self.event(processor, event)?;
        }
        self.timers(processor, key.as_str(), decision.timers)
    }

    pub(super) fn timers(
        &mut self,
        processor: Processor,
        key: &str,
        timers: Vec<Timer>,
    ) -> Result<(), HandlerError> {
        for timer in timers {
            match timer {
                Timer::Set { name, due } => self.shell.set_timer(processor, key.as_bytes(), &name, due)?,
                Timer::Cancel { name } => self.shell.cancel_timer(processor, key.as_bytes(), &name)?,
            }
        }
        Ok(())
    }

    /// The pinned catalog. It is on a broadcast topic and can be behind the order by a moment; another version is never taken.
    fn pinned(&self, version: &domain::CatalogVersion) -> Result<&'_ Catalog, HandlerError> {
        let catalog = self.line.catalogs.get(version);
        catalog.ok_or_else(|| HandlerError::Retry(format!("catalog version \"{version}\" is not here yet")))
    }
}

/// The graph says who hears what; hearing more is our own mistake, and no reason to lose a record.
fn unheard(listener: Processor, event: &OrderEvent) -> Result<(), HandlerError> {
    Err(dead_letter(format!("processor \"{}\" does not hear {}", listener.name(), event.name())))
}

/// What no processor has to think about: names without a bound, and words of a newer contract.
fn acceptable(feedback: &Feedback) -> Result<(), HandlerError> {
    if !feedback.order_key.is_well_formed() {
        return Err(dead_letter("feedback without the key of an order"));
    }
    if feedback.kind == FeedbackKind::Unknown {
        return Err(dead_letter("feedback of a kind that is not known here; a newer version may know it"));
    }
    for (what, text) in [("feedback id", feedback.feedback_id.as_str()), ("system", &feedback.system)] {
        if text.len() > TEXT_BYTES_MAX {
            return Err(dead_letter(format!(
                "feedback with a {what} of {} bytes; at most {TEXT_BYTES_MAX} are taken",
                text.len()
            )));
        }
    }
    Ok(())
}
