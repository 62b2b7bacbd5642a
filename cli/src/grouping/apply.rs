//! `orderstream topology apply`: another grouping, on a log that nobody works on.
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use bytes::Bytes;
use runtime::AnyLog;
use runtime::log::{GroupPositions, Note, Position};
use topology::SubTopology;
use topology::regroup::{Carried, Grouping, Obstacle, plan};

use super::standing::partitions;
use crate::control::Client;
use crate::exit::{self, Refused};
use crate::operations::block_on;
use crate::service::grouping::{NOTE, applied, encoded, require};
use crate::service::{Service, Store, catalog};
use crate::settings::{LogKind, Settings};
use crate::times::span;

/// A worker that died is a member of its group until its session ends; a moment more until the brokers have noticed.
const SESSION_GRACE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The most obstacles that are shown; the rest are counted.
const OBSTACLES_SHOWN_MAX: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// Change nothing; only say whether it can be done, and where the groups would go on.
    #[arg(long, conflicts_with = "drain")]
    check: bool,
    /// Where events are not heard yet, have the old groups hear them first, and nothing else: no new order is taken meanwhile.
    #[arg(long)]
    drain: bool,
    /// With --drain: gives up after so long, with exit code 4; what was heard stays heard, and the grouping as it was.
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span)]
    timeout: Duration,
}

/// # Errors
/// A service runs; something is in the way; the log cannot be opened or written.
pub fn apply(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let data_dir = &settings.node.data_dir;
    if block_on(Client::connect(data_dir))?.is_some() {
        let what = format!(
            "a service runs on \"{}\"; stop it before its processors are regrouped",
            data_dir.display()
        );
        return Err(Refused(what).into());
    }
    let groups = &settings.subtopologies;
    let store = Arc::new(Store::open_existing(settings, &catalog::load(&settings.catalog)?)?);
    let Some((old, before)) = applied(&store.log)? else {
        require(&store.log, groups)?;
        println!(
            "nobody has worked on the log yet; from now on it is worked on as \"{}\"",
            Grouping::first(groups)
        );
        return Ok(exit::DONE.into());
    };
    if old.is(groups) {
        println!("the log is worked on as \"{old}\" already (epoch {})", old.epoch);
        return Ok(exit::DONE.into());
    }
    let change = Change { store, settings, new: old.next(groups), old, before };
    change.await_nobody()?;
    let carried = match change.plan()? {
        Ok(carried) => carried,
        Err(_) if arguments.drain => match change.drain(Instant::now() + arguments.timeout)? {
            Ok(carried) => carried,
            Err(obstacles) => {
                eprintln!("orderstream: not within the time, {}", shown(&obstacles));
                return Ok(exit::TIMED_OUT.into());
            }
        },
        Err(obstacles) => {
            let mend = "`orderstream topology apply --drain` has them heard; or start the service with the old [[subtopology]] and stop it again";
            return Err(Refused(format!(
                "the processors cannot be regrouped yet, {}\n{mend}",
                shown(&obstacles)
            ))
            .into());
        }
    };
    if arguments.check {
        print(&carried);
        println!("it can be done; nothing was changed");
        return Ok(exit::DONE.into());
    }
    change.carry_out(&carried)?;
    print(&carried);
    println!("the log is worked on as \"{}\" from now on (epoch {})", change.new, change.new.epoch);
    Ok(exit::DONE.into())
}

fn shown(obstacles: &[Obstacle]) -> String {
    let mut text = format!("{} findings:", obstacles.len());
    for obstacle in obstacles.iter().take(OBSTACLES_SHOWN_MAX) {
        text.push_str(&format!("\n{obstacle}"));
    }
    if obstacles.len() > OBSTACLES_SHOWN_MAX {
        text.push_str(&format!("\nand {} more", obstacles.len() - OBSTACLES_SHOWN_MAX));
    }
    text
}

/// A line for each group and topic.
fn print(carried: &[Carried]) {
    let mut places: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for one in carried {
        places.entry((&one.group, one.stream.topic())).or_default().push(one.next_offset.to_string());
    }
    for ((group, topic), offsets) in places {
        println!("group \"{group}\" goes on in topic \"{topic}\" at {}", offsets.join(" "));
    }
}

/// From one grouping to the next.
struct Change<'s> {
    store: Arc<Store>,
    settings: &'s Settings,
    old: Grouping,
    /// As the log keeps the old one.
    before: Bytes,
    new: Grouping,
}

impl Change<'_> {
    fn log(&self) -> &AnyLog {
        &self.store.log
    }

    fn plan(&self) -> anyhow::Result<Result<Vec<Carried>, Vec<Obstacle>>> {
        Ok(plan(&self.old, &self.new, &partitions(self.log(), &self.old, &self.new)?))
    }

    /// Until no worker of either grouping is there: one that was killed is held for alive for a while.
    fn await_nobody(&self) -> anyhow::Result<()> {
        if self.settings.log.kind == LogKind::Embedded {
            return Ok(());
        }
        let session = Duration::from_millis(self.settings.kafka.session_timeout_ms.into());
        let deadline = Instant::now() + session + SESSION_GRACE;
        let groups: BTreeSet<&String> = self.old.groups.keys().chain(self.new.groups.keys()).collect();
        for group in groups {
            loop {
                let members = self.log().group_members(group)?;
                if members.is_empty() {
                    break;
                }
                if Instant::now() >= deadline {
                    let members = members.join(", ");
                    let what = format!(
                        "group \"{group}\" has workers: {members}; stop every service of the system first"
                    );
                    return Err(Refused(what).into());
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    /// Lets the old groups hear what they have not heard, and read equally far what several of them read. Ends: an event leads to events,
    /// and never round in a circle; and what comes from outside is left where it lies.
    fn drain(&self, deadline: Instant) -> anyhow::Result<Result<Vec<Carried>, Vec<Obstacle>>> {
        let groups = self.old.subtopologies();
        loop {
            let service = Service::start_draining(self.settings, self.store.clone(), &groups)?;
            let stop = service.stop_signal();
            while self.plan()?.is_err() && Instant::now() < deadline && !stop.wait(LOOK_EVERY) {}
            service.stop()?;
            self.await_nobody()?;
            let planned = self.plan()?;
            if planned.is_ok() || Instant::now() >= deadline {
                return Ok(planned);
            }
        }
    }

    fn carry_out(&self, carried: &[Carried]) -> anyhow::Result<()> {
        // Those that are no more stand there without any position.
        let names = self.old.groups.keys().chain(self.new.groups.keys());
        let mut positions: BTreeMap<&str, Vec<Position>> =
            names.map(|name| (name.as_str(), Vec::new())).collect();
        for one in carried {
            let position = Position {
                topic: one.stream.topic().into(),
                partition: one.partition,
                next_offset: one.next_offset,
            };
            positions.entry(&one.group).or_default().push(position);
        }
        let positions = positions.into_iter();
        let positions =
            positions.map(|(group, positions)| GroupPositions { group: group.into(), positions }).collect();
        let note = Note { key: NOTE, before: Some(&self.before), after: encoded(&self.new)? };
        if !self.log().regroup(positions, note)? {
            bail!("somebody else has changed the grouping meanwhile; `orderstream topology show` shows it");
        }
        Ok(())
    }
}

impl Service {
    /// Workers of these groups on an open log, that read only what has to be settled before they are regrouped.
    fn start_draining(
        settings: &Settings,
        store: Arc<Store>,
        groups: &[SubTopology],
    ) -> anyhow::Result<Service> {
        let mut service = Service::idle(settings, store)?;
        for group in groups {
            let topics: Vec<&str> =
                group.streams_to_settle(groups).into_iter().map(|stream| stream.topic()).collect();
            if !topics.is_empty() {
                service.start_worker(settings, groups, group, 0, &topics)?;
            }
        }
        Ok(service)
    }
}
