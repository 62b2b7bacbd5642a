//! Any interleaving of repeated, late and reordered answers, and of timers, ends where the clean run ends.
use std::collections::BTreeSet;

use domain::CommandId;
use domain::command::CommandKind;
use domain::command::FeedbackKind::{Accepted, Completed, Failed, InProgress, NotKnown, PartialActivation};
use proptest::prelude::*;

use super::*;

/// How the system behaves towards one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Clean,
    Chatty,
    /// The first sending fails and may be tried again.
    TransientFirst,
    /// Done, and never said: only a question brings it out.
    Silent,
    /// The first sending is lost on the way.
    LostFirst,
    /// It says that it cannot tell, and can when asked.
    Undecided,
    Terminal,
}
use Behaviour::*;

/// What a system knows of one command, and says of it.
#[derive(Default)]
struct System {
    received: BTreeMap<CommandId, u32>,
    /// Answers on their way.
    pending: Vec<Feedback>,
    /// Answers that arrived: they may arrive again.
    delivered: Vec<Feedback>,
    said: usize,
}

impl System {
    fn receive(&mut self, command: &Command, behaviour: Behaviour) {
        let sendings = self.received.entry(command.command_id).or_default();
        let lost = behaviour == LostFirst && command.attempt == 1;
        if command.kind == CommandKind::Execute && !lost {
            *sendings += 1;
        }
        let known = *sendings;
        let kinds: &[FeedbackKind] = match (command.kind, behaviour, known) {
            (CommandKind::CheckFeasibility, _, _) => &[],
            (CommandKind::Query, _, 0) => &[NotKnown],
            (CommandKind::Query, Terminal, _) | (CommandKind::Query, TransientFirst, 1) => &[Failed],
            (CommandKind::Query, _, _) => &[Completed],
            (CommandKind::Execute, _, 0) | (CommandKind::Execute, Silent, _) => &[],
            (CommandKind::Execute, Terminal, _) => &[Accepted, Failed],
            (CommandKind::Execute, TransientFirst, 1) | (CommandKind::Execute, Undecided, _) => &[Failed],
            (CommandKind::Execute, Chatty, _) => {
                &[Accepted, InProgress, PartialActivation, PartialActivation, Completed]
            }
            (CommandKind::Execute, Clean | TransientFirst | LostFirst, _) => &[Accepted, Completed],
        };
        for kind in kinds {
            self.say(command, *kind, behaviour);
        }
    }

    fn say(&mut self, command: &Command, kind: FeedbackKind, behaviour: Behaviour) {
        self.said += 1;
        let code = match behaviour {
            Terminal => "BROKEN",
            Undecided => "TWICE",
            Clean | Chatty | TransientFirst | Silent | LostFirst => "FLAKY",
        };
        let outputs = [("circuit".to_owned(), Json::from("C-1")), ("ip".to_owned(), Json::from("192.0.2.1"))];
        self.pending.push(Feedback {
            feedback_id: format!("said-{}", self.said).as_str().into(),
            command_id: command.command_id,
            order_key: command.order_key.clone(),
            system: command.system.clone(),
            kind,
            attempt: Some(command.attempt),
            outputs: if kind == Completed { outputs.into() } else { Values::new() },
            code: (kind == Failed).then(|| code.to_owned()),
            message: None,
            retryable: None,
            at: command.issued_at,
        });
    }
}

struct Game {
    run: Run,
    system: System,
    behaviours: [Behaviour; 6],
    handed: usize,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl Game {
    fn new(behaviours: [Behaviour; 6]) -> Game {
        let (order, mut plan) = diamond();
        for task in &mut plan.tasks {
            task.task_type = "patient".to_owned();
        }
        let mut game = Game { run: Run::of((order, plan)), system: System::default(), behaviours, handed: 0 };
        game.hand_over();
        game
    }

    /// Gives new commands to the system; none may come before its predecessors are done.
    fn hand_over(&mut self) {
        let commands = self.run.commands();
        for command in &commands[self.handed..] {
            let name = name_of(command.task_id.expect("every command is of a task"));
            for predecessor in &self.run.task(&name).task.planned.predecessors {
                let state = self.run.task(&name_of(*predecessor)).task.state;
                assert_eq!(state, TaskState::Completed, "{name} was sent before its predecessors were done");
            }
            let index = NAMES.iter().position(|it| *it == name).expect("a task of the plan");
            self.system.receive(command, self.behaviours[index]);
        }
        self.handed = commands.len();
    }

    fn deliver(&mut self, index: usize) {
        let feedback = self.system.pending.remove(index);
        self.system.delivered.push(feedback.clone());
        self.run.take(feedback);
        self.hand_over();
    }

    fn fire(&mut self, index: usize) {
        let names: Vec<String> =
            self.run.timers.keys().filter(|name| name.starts_with(state::TASK_PREFIX)).cloned().collect();
        if let Some(name) = names.get(index % names.len().max(1)) {
            self.run.timer(name);
            self.hand_over();
        }
    }

    /// One move of chance.
    fn play(&mut self, kind: u8, index: usize) {
        let (pending, delivered) = (self.system.pending.len(), self.system.delivered.len());
        match kind {
            0..=4 if pending > 0 => self.deliver(index % pending),
            5..=6 if delivered > 0 => {
                let again = self.system.delivered[index % delivered].clone();
                self.run.take(again);
            }
            7..=8 if delivered > 0 => {
                // Said again as something new.
                self.system.said += 1;
                let id = format!("said-{}", self.system.said);
                let again = Feedback {
                    feedback_id: id.as_str().into(),
                    ..self.system.delivered[index % delivered].clone()
                };
                self.system.pending.push(again);
            }
            9 => self.fire(index),
            _ => (),
        }
        self.hand_over();
    }

    /// Everything that is on its way arrives, and every timer falls due, until nothing is left.
    fn play_out(&mut self) {
        for _ in 0..10_000 {
            if !self.system.pending.is_empty() {
                self.deliver(0);
            } else if self.run.timers.keys().any(|name| name.starts_with(state::TASK_PREFIX)) {
                self.fire(0);
            } else {
                return;
            }
        }
        panic!("the order never comes to rest");
    }

    /// Where everything stands, and what was told to the rest of the world, once each.
    fn summary(
        &self,
    ) -> (OrderState, Vec<TaskState>, Vec<ItemState>, Vec<ServiceOrderState>, Vec<String>, usize) {
        let tasks = NAMES.iter().map(|name| self.run.task(name).task.state).collect();
        let items = ["1", "2"].map(|id| self.run.item_state(id)).to_vec();
        let service_orders = ["1", "2"].map(|id| self.run.service_order_state(id)).to_vec();
        let told = self.run.all.iter().map(shown).filter(|it| {
            let once =
                ["bill", "report", "tell", "order", "milestone"].iter().any(|kind| it.starts_with(kind));
            once && !it.contains("PartialActivation")
        });
        let mut told: Vec<String> = told.collect();
        told.sort();
        let ids: BTreeSet<CommandId> = self.run.commands().iter().map(|command| command.command_id).collect();
        (self.run.head().state, tasks, items, service_orders, told, ids.len())
    }
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Clean),
        Just(Chatty),
        Just(TransientFirst),
        Just(Silent),
        Just(LostFirst),
        Just(Undecided)
    ]
}

fn optional_behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![4 => behaviour(), 1 => Just(Terminal)]
}

fn behaviours() -> impl Strategy<Value = [Behaviour; 6]> {
    (behaviour(), behaviour(), behaviour(), behaviour(), optional_behaviour(), optional_behaviour())
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_ends_where_the_clean_run_ends(
        behaviours in behaviours(),
        moves in prop::collection::vec((0..10_u8, 0..64_usize), 0..80),
    ) {
        let mut clean = Game::new(behaviours);
        clean.play_out();
        let mut other = Game::new(behaviours);
        for (kind, index) in moves {
            other.play(kind, index);
        }
        other.play_out();
        prop_assert_eq!(clean.summary(), other.summary());
        // No system needs more than two sendings: whoever runs out of tries has counted an answer twice.
        let blocked = other.run.all.iter().map(shown).find(|it| it.ends_with(">FailedRepairable"));
        prop_assert_eq!(blocked, None);
        let expected = if behaviours.contains(&Terminal) { OrderState::PartiallyCompleted } else { OrderState::Completed };
        prop_assert_eq!(other.run.head().state, expected);
    }

    #[test]
    fn one_task_has_one_command_id_however_often_it_is_sent(
        behaviours in behaviours(),
        moves in prop::collection::vec((0..10_u8, 0..64_usize), 0..80),
    ) {
        let mut game = Game::new(behaviours);
        for (kind, index) in moves {
            game.play(kind, index);
        }
        game.play_out();
        let mut ids: BTreeMap<Option<TaskId>, CommandId> = BTreeMap::new();
        for command in game.run.commands() {
            let first = *ids.entry(command.task_id).or_insert(command.command_id);
            prop_assert_eq!(first, command.command_id);
        }
    }

    #[test]
    fn the_counters_of_the_head_say_what_the_cells_say(
        behaviours in behaviours(),
        moves in prop::collection::vec((0..10_u8, 0..64_usize), 0..60),
    ) {
        let mut game = Game::new(behaviours);
        for (kind, index) in moves {
            game.play(kind, index);
            let head = game.run.head();
            let active = NAMES.iter().filter(|name| game.run.task(name).task.state.is_active()).count();
            let open = ["1", "2"].iter().filter(|id| !game.run.item_state(id).is_settled()).count();
            prop_assert_eq!((head.tasks_active as usize, head.items_open as usize), (active, open));
            // Whoever is with its system or waits is awaited by exactly one timer.
            let timed = game.run.timers.keys().filter(|name| name.starts_with(state::TASK_PREFIX)).count();
            prop_assert_eq!(timed, active);
        }
    }
}
