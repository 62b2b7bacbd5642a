//! Compares what happened with what a scenario says, all differences at once.
use std::collections::BTreeMap;
use std::fmt::Debug;

use super::facts::{Facts, OrderFacts, word};
use super::file::{Carried, Never, Scenario, ThenOrder};
use super::{Outcome, World};

/// Every difference, a line each; empty: all is as it should be.
///
/// # Errors
/// Records that cannot be read.
pub fn judge(world: &dyn World, scenario: &Scenario, outcome: &Outcome) -> anyhow::Result<Vec<String>> {
    let facts = Facts::of(world.codec(), outcome)?;
    let mut findings = Vec::new();
    for expected in &scenario.then.order {
        let key = &expected.key;
        match facts.orders.get(key) {
            None => {
                findings.push(format!("{key}: nothing is known of it; known are {:?}", facts.orders.keys()))
            }
            Some(order) => Judge { key, order, findings: &mut findings }.judge(expected),
        }
    }
    for never in &scenario.never {
        for (key, order) in &facts.orders {
            if never.order.as_ref().is_none_or(|order| order == key) {
                Judge { key, order, findings: &mut findings }.never(never);
            }
        }
    }
    for (key, order) in &facts.orders {
        Judge { key, order, findings: &mut findings }.one_command_id_per_task();
    }
    if facts.dead_letters.len() != scenario.then.dead_letters {
        let (found, expected) = (&facts.dead_letters, scenario.then.dead_letters);
        findings.push(format!("dead letters {found:?}, expected are {expected}"));
    }
    let unused = outcome.script.unused();
    if !unused.is_empty() {
        findings.push(format!("answers that nothing asked for: {unused:?}"));
    }
    Ok(findings)
}

struct Judge<'a> {
    key: &'a str,
    order: &'a OrderFacts,
    findings: &'a mut Vec<String>,
}

impl Judge<'_> {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.findings.push(format!("{}: {what} is {found:?}, expected is {expected:?}", self.key));
        }
    }

    fn judge(&mut self, expected: &ThenOrder) {
        let order = self.order;
        self.same("state", &order.state.map_or_else(String::new, |state| word(&state)), &expected.state);
        for (place, state) in &expected.tasks {
            let found = order.tasks.get(place).map_or_else(String::new, word);
            self.same(&format!("task {place}"), &found, state);
        }
        for (item, state) in &expected.items {
            let found = order.items.get(item).map_or_else(String::new, word);
            self.same(&format!("item {item}"), &found, state);
        }
        if let Some(cases) = &expected.cases {
            self.same("cases", &order.cases(), cases);
        }
        self.counts("sendings", &order.commands, &expected.commands);
        self.counts("effects", &order.effects, &expected.effects);
        self.counts("queries", &order.queries, &expected.queries);
        expected.carried.iter().for_each(|carried| self.carried(carried));
        if let Some(service_orders) = &expected.service_orders {
            self.same("service orders", &order.service_orders, service_orders);
        }
        if let Some(products) = &expected.products {
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            order.products.values().for_each(|state| *found.entry(word(state)).or_default() += 1);
            self.same("products", &found, products);
        }
        if let Some(told) = &expected.told {
            self.same("what the requester was told", &order.told, told);
        }
        if let Some(refusals) = &expected.refusals {
            self.same("refusals", &order.refusals, refusals);
        }
        if let Some(charges_started) = &expected.charges_started {
            self.same("charges started", &order.charges_started, charges_started);
        }
        self.sequence(&expected.events);
    }

    fn counts(&mut self, what: &str, found: &BTreeMap<String, u32>, expected: &BTreeMap<String, u32>) {
        for (name, count) in expected {
            let found = found.get(name).copied().unwrap_or_default();
            self.same(&format!("{what} of {name}"), &found, count);
        }
    }

    fn carried(&mut self, expected: &Carried) {
        let Carried { command, input, value, from, output } = expected;
        let found =
            self.order.carried.get(command).and_then(|values| values.get(input)).map(|value| value.shown());
        let reported = from.as_ref().zip(output.as_ref()).and_then(|(from, output)| {
            self.order.reported.get(from).and_then(|values| values.get(output)).map(|value| value.shown())
        });
        let wanted = value.clone().or(reported);
        if wanted.is_none() {
            self.findings
                .push(format!("{}: nothing reported what {command} should carry as {input}", self.key));
        }
        self.same(&format!("input {input} of {command}"), &found, &wanted);
    }

    fn sequence(&mut self, expected: &[String]) {
        let mut events = self.order.events.iter();
        for (at, pattern) in expected.iter().enumerate() {
            if !events.any(|words| matches(words, pattern)) {
                let before = at.checked_sub(1).map_or("the beginning", |before| expected[before].as_str());
                let shown: Vec<String> = self.order.events.iter().map(|words| words.join(" ")).collect();
                let shown = shown.join("\n    ");
                self.findings
                    .push(format!("{}: no \"{pattern}\" after {before}; events are\n    {shown}", self.key));
                return;
            }
        }
    }

    fn never(&mut self, never: &Never) {
        let until =
            never.before.as_ref().map(|before| self.order.events.iter().position(|it| matches(it, before)));
        let until = match until {
            Some(None) => {
                self.findings.push(format!(
                    "{}: \"{:?}\" did not happen, so nothing was before it",
                    self.key, never.before
                ));
                return;
            }
            Some(Some(until)) => until,
            None => self.order.events.len(),
        };
        let states = never.states.iter().map(|state| format!("OrderStateChanged {state}"));
        for pattern in never.events.iter().cloned().chain(states) {
            if let Some(words) = self.order.events[..until].iter().find(|words| matches(words, &pattern)) {
                self.findings.push(format!("{}: \"{}\" happened and must not", self.key, words.join(" ")));
            }
        }
        for command in &never.commands {
            if self.order.commands.contains_key(command) {
                self.findings.push(format!("{}: command {command} was sent and must not be", self.key));
            }
        }
    }

    /// However often a command is sent and asked about: it has one id, and carries the same.
    fn one_command_id_per_task(&mut self) {
        for (task, ids) in &self.order.command_ids {
            if ids.len() != 1 && !task.ends_with("/order") {
                self.findings.push(format!(
                    "{}: {task} has {} command ids or inputs: {ids:?}",
                    self.key,
                    ids.len()
                ));
            }
        }
    }
}

/// The name of the record, and every word of the pattern among those of the event.
fn matches(words: &[String], pattern: &str) -> bool {
    let mut asked = pattern.split_whitespace();
    asked.next() == words.first().map(String::as_str)
        && asked.all(|asked| words.iter().any(|word| word == asked))
}
