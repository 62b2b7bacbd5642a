//! The sub-topologies of a settings file.
use toml::de::{DeArray, DeTable, DeValue};
use topology::{Processor, SubTopology};

use super::kafka::text;
use super::keys::{SUBTOPOLOGY, SUBTOPOLOGY_KEYS, WORKERS_MAX};
use super::load::{Finding, Origin, Page, Values, did_you_mean, kind_of};
use super::nearest::nearest;

/// The longest name: it is part of every position that is kept.
const NAME_CHARS_MAX: usize = 64;

/// Those that are whole, each with its place; what is wrong with the others is added to the findings.
pub(super) fn read(
    page: Page<'_>,
    tables: &DeArray<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<(SubTopology, Origin)> {
    let mut groups = Vec::new();
    for table in tables.iter() {
        let place = page.at(table.span().start);
        let mut reading = Reading { page, place: place.clone(), findings: &mut *findings };
        match table.get_ref() {
            DeValue::Table(entries) => groups.extend(reading.group(entries).map(|group| (group, place))),
            other => {
                reading.found(place, format!("{SUBTOPOLOGY} holds {}, expected a table", kind_of(other)))
            }
        }
    }
    groups
}

/// A sub-topology is left to other processes only where there can be others. `groups`: each with its place.
pub(super) fn check_workers<'g>(
    values: &Values,
    groups: impl Iterator<Item = (&'g SubTopology, &'g Origin)>,
) -> Vec<Finding> {
    let (kind, _) = text(values, "log.kind");
    if kind == "kafka" {
        return Vec::new();
    }
    let left = groups.filter(|(group, _)| group.workers == 0);
    let finding = |(group, place): (&SubTopology, &Origin)| Finding {
        place: place.clone(),
        what: format!(
            "{SUBTOPOLOGY} \"{}\" has workers = 0, and log.kind is \"{kind}\": that log has one process, so nobody would do its \
             work; expected 1 to {WORKERS_MAX}",
            group.name
        ),
    };
    left.map(finding).collect()
}

struct Reading<'a> {
    page: Page<'a>,
    /// Where the table begins.
    place: Origin,
    findings: &'a mut Vec<Finding>,
}

impl Reading<'_> {
    fn found(&mut self, place: Origin, what: String) {
        self.findings.push(Finding { place, what });
    }

    fn group(&mut self, entries: &DeTable<'_>) -> Option<SubTopology> {
        let (mut name, mut processors, mut workers) = (None, None, None);
        for (key, value) in entries {
            let place = self.page.at(key.span().start);
            match key.get_ref().as_ref() {
                "name" => name = Some(self.name(place, value.get_ref())),
                "processors" => processors = Some(self.processors(place, value.get_ref())),
                "workers" => workers = Some(self.workers(place, value.get_ref())),
                other => {
                    let near = nearest(other, SUBTOPOLOGY_KEYS.iter().map(|(name, _)| *name));
                    let hint = near.map_or_else(
                        || "; its keys are name, processors and workers".to_owned(),
                        |near| did_you_mean(Some(near), "", ""),
                    );
                    self.found(place, format!("there is no setting {SUBTOPOLOGY}.{other}{hint}"));
                }
            }
        }
        for (missing, key) in
            [(name.is_none(), "name"), (processors.is_none(), "processors"), (workers.is_none(), "workers")]
        {
            if missing {
                self.found(self.place.clone(), format!("this {SUBTOPOLOGY} has no {key}"));
            }
        }
        Some(SubTopology { name: name??, processors: processors??, workers: workers?? })
    }

    fn name(&mut self, place: Origin, value: &DeValue<'_>) -> Option<String> {
        let is_right = |text: &str| {
            (1..=NAME_CHARS_MAX).contains(&text.chars().count())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        match value {
            DeValue::String(text) if is_right(text) => Some(text.as_ref().to_owned()),
            DeValue::String(text) => {
                let what = format!(
                    "{SUBTOPOLOGY}.name is {text:?}, expected 1 to {NAME_CHARS_MAX} letters, digits, - and _"
                );
                self.found(place, what);
                None
            }
            other => {
                self.found(place, format!("{SUBTOPOLOGY}.name is {}, expected a text", kind_of(other)));
                None
            }
        }
    }

    fn processors(&mut self, place: Origin, value: &DeValue<'_>) -> Option<Vec<Processor>> {
        let DeValue::Array(entries) = value else {
            let what = format!("{SUBTOPOLOGY}.processors is {}, expected a list of names", kind_of(value));
            self.found(place, what);
            return None;
        };
        let mut processors = Vec::new();
        let mut whole = true;
        for entry in entries.iter() {
            let place = self.page.at(entry.span().start);
            let known = match entry.get_ref() {
                DeValue::String(text) => Processor::from_name(text).ok_or_else(|| {
                    let near = nearest(text, Processor::ALL.iter().map(|processor| processor.name()));
                    format!("there is no processor {text:?}{}", processor_hint(near))
                }),
                other => Err(format!("a processor is {}, expected its name", kind_of(other))),
            };
            match known {
                Ok(processor) => processors.push(processor),
                Err(what) => {
                    self.found(place, what);
                    whole = false;
                }
            }
        }
        whole.then_some(processors)
    }

    fn workers(&mut self, place: Origin, value: &DeValue<'_>) -> Option<u32> {
        let expected = format!("expected a whole number from 0 to {WORKERS_MAX}");
        let shown = match value {
            DeValue::Integer(integer) => {
                let found = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                let right = found.filter(|found| (0..=WORKERS_MAX).contains(found));
                match right.and_then(|right| u32::try_from(right).ok()) {
                    Some(workers) => return Some(workers),
                    None => integer.as_str().to_owned(),
                }
            }
            other => kind_of(other).to_owned(),
        };
        self.found(place, format!("{SUBTOPOLOGY}.workers is {shown}, {expected}"));
        None
    }
}

fn processor_hint(near: Option<&str>) -> String {
    near.map_or_else(
        || {
            let names: Vec<&str> = Processor::ALL.iter().map(|processor| processor.name()).collect();
            format!("; there are {}", names.join(", "))
        },
        |near| did_you_mean(Some(near), "\"", "\""),
    )
}
