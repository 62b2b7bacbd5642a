//! What the shipped offerings make downstream do, written down by hand from the catalog, and what of it is left when something fails.
use std::collections::{BTreeMap, BTreeSet};

use super::document::Draft;
use super::shapes;

/// One piece of work, of one item of an order.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The item's id in the draft.
    pub item: &'static str,
    pub command: &'static str,
    /// What has to be done before: positions in the list of steps, each below this one's own.
    pub after: &'static [usize],
}

/// A kind of order that can be generated.
pub struct Shape {
    pub name: &'static str,
    /// Fills the items of a draft; deterministic but for the numbers drawn.
    pub(super) fill: fn(&mut Draft, &mut rand_chacha::ChaCha8Rng),
    pub steps: &'static [Step],
    /// Items that the order may complete without.
    pub optional: &'static [&'static str],
    /// Items that cannot do without another one: (item, the one that it needs).
    pub needs: &'static [(&'static str, &'static str)],
    /// Whether somebody is asked first if it can be delivered.
    pub feasibility_asked: bool,
    /// Whether its only item may be ordered several times over.
    pub several: bool,
    /// Whether it is generated among others, or only when it is asked for.
    pub mixed: bool,
}

// By name: a function has no useful text.
impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shape").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a command stops for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It waits for a person: what follows from it waits too, all else goes on to its end.
    Waits,
    /// Given up: its item fails, and with it what needs that item. Where one of them is mandatory, nothing new is begun.
    GivenUp,
}

/// What an order makes downstream do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// A position in [`shapes::ALL`]; `None`: nothing at all, the order was refused.
    pub(super) shape: Option<usize>,
    pub(super) units: u32,
    pub(super) stop: Option<(&'static str, Stop)>,
}

/// How many effects there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub least: u32,
    pub most: u32,
}

impl Bounds {
    pub fn admit(self, count: u32) -> bool {
        (self.least..=self.most).contains(&count)
    }

    fn add(&mut self, least: u32, most: u32) {
        self.least += least;
        self.most += most;
    }
}

impl Work {
    pub const NONE: Work = Work { shape: None, units: 0, stop: None };

    /// By command name. Exact, except for work that runs beside what was given up.
    pub fn effects(self) -> BTreeMap<String, Bounds> {
        let mut effects: BTreeMap<String, Bounds> = BTreeMap::new();
        let Some(shape) = self.shape.map(|at| &shapes::ALL[at]) else { return effects };
        for (step, fate) in shape.steps.iter().zip(shape.fates(self.stop)) {
            let (least, most) = match fate {
                Fate::Done => (self.units, self.units),
                Fate::Open => (0, self.units),
                Fate::Never => (0, 0),
            };
            effects.entry(step.command.to_owned()).or_default().add(least, most);
        }
        effects
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// It runs beside what was given up: done or not.
    Open,
    Never,
}

impl Shape {
    /// Whether the order as a whole fails when this command is given up.
    pub fn is_mandatory(&self, command: &str) -> bool {
        let failed = self.failed_items(command);
        failed.iter().any(|item| !self.optional.contains(item))
    }

    pub fn has(&self, command: &str) -> bool {
        self.steps.iter().any(|step| step.command == command)
    }

    /// The items of a command, and all that cannot do without them or wait for their work.
    fn failed_items(&self, command: &str) -> BTreeSet<&'static str> {
        let of_command = self.steps.iter().filter(|step| step.command == command);
        let mut failed: BTreeSet<&'static str> = of_command.map(|step| step.item).collect();
        let broken = self.followers(command);
        failed.extend(broken.iter().map(|at| self.steps[*at].item));
        loop {
            let more = self.needs.iter().filter(|(_, needed)| failed.contains(needed)).map(|(item, _)| *item);
            let before = failed.len();
            failed.extend(more.collect::<Vec<_>>());
            if failed.len() == before {
                return failed;
            }
        }
    }

    /// The steps of this command and all that follow from them.
    fn followers(&self, command: &str) -> BTreeSet<usize> {
        let mut broken = BTreeSet::new();
        for (at, step) in self.steps.iter().enumerate() {
            if step.command == command || step.after.iter().any(|before| broken.contains(before)) {
                broken.insert(at);
            }
        }
        broken
    }

    /// The steps that must have been done before any of this command was begun: where several steps have it, the first to fail counts.
    fn leaders(&self, command: &str) -> BTreeSet<usize> {
        let of_command = (0..self.steps.len()).filter(|at| self.steps[*at].command == command);
        let ahead = of_command.map(|last| {
            let mut ahead = BTreeSet::from([last]);
            for at in (0..=last).rev() {
                if ahead.contains(&at) {
                    ahead.extend(self.steps[at].after);
                }
            }
            ahead
        });
        ahead.reduce(|common, ahead| &common & &ahead).unwrap_or_default()
    }

    fn fates(&self, stop: Option<(&'static str, Stop)>) -> Vec<Fate> {
        let Some((command, stop)) = stop else { return vec![Fate::Done; self.steps.len()] };
        let broken = self.followers(command);
        let leaders = self.leaders(command);
        let failed = self.failed_items(command);
        let mandatory = self.is_mandatory(command);
        let fate = |at: usize| match stop {
            _ if broken.contains(&at) => Fate::Never,
            _ if leaders.contains(&at) => Fate::Done,
            Stop::Waits => Fate::Done,
            Stop::GivenUp if mandatory || failed.contains(self.steps[at].item) => Fate::Open,
            Stop::GivenUp => Fate::Done,
        };
        (0..self.steps.len()).map(fate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a → b → d, a → c, all of item 1; e of item 2, which is optional; f of item 3, which needs item 2.
    const DIAMOND: Shape = Shape {
        name: "diamond",
        fill: |_, _| {},
        steps: &[
            Step { item: "1", command: "a", after: &[] },
            Step { item: "1", command: "b", after: &[0] },
            Step { item: "1", command: "c", after: &[0] },
            Step { item: "1", command: "d", after: &[1] },
            Step { item: "2", command: "e", after: &[0] },
            Step { item: "3", command: "f", after: &[] },
        ],
        optional: &["2", "3"],
        needs: &[("3", "2")],
        feasibility_asked: false,
        several: false,
        mixed: false,
    };

    /// One letter per step: done, open, never.
    #[track_caller]
    fn check(stop: Option<(&'static str, Stop)>, expected: &str) {
        let letter = |fate: &Fate| match fate {
            Fate::Done => 'd',
            Fate::Open => 'o',
            Fate::Never => 'n',
        };
        assert_eq!(DIAMOND.fates(stop).iter().map(letter).collect::<String>(), expected, "{stop:?}");
    }

    #[test]
    fn what_is_left_when_a_command_stops() {
        check(None, "dddddd");
        check(Some(("b", Stop::Waits)), "dndndd");
        check(Some(("a", Stop::Waits)), "nnnnnd");
        check(Some(("b", Stop::GivenUp)), "dnonoo");
        check(Some(("e", Stop::GivenUp)), "ddddno");
        assert!(DIAMOND.is_mandatory("b") && !DIAMOND.is_mandatory("e") && !DIAMOND.is_mandatory("f"));
    }

    #[test]
    fn the_shapes_are_well_formed() {
        for shape in shapes::ALL {
            for (at, step) in shape.steps.iter().enumerate() {
                assert!(step.after.iter().all(|before| *before < at), "{}: step {at}", shape.name);
            }
            let items: BTreeSet<&str> = shape.steps.iter().map(|step| step.item).collect();
            assert!(shape.optional.iter().all(|item| items.contains(item)), "{}", shape.name);
        }
    }
}
