//! What one seed decides before the first step: how large the world is, and how much goes wrong in it.

use connectors::downstream::fault::{Noise, Outage, OutageAnswer, Window};
use connectors::downstream::{Latency, Scenario};
use connectors::upstream::{Generator, Settings};
use domain::Timestamp;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::stage::{START_MS, Stage};

/// The most partitions of topics keyed by order or product.
const PARTITIONS_MAX: u32 = 3;
/// The most workers of one group.
pub const WORKERS_MAX: usize = 3;
/// The most orders of one run.
const ORDERS_MAX: u32 = 4;
/// The most records that one batch takes: few, so that there are many batches.
const BATCH_RECORDS_MAX: usize = 4;
/// The share of steps that are a fault, in parts of a hundred: one of these.
const FAULT_PERCENTS: [u32; 4] = [3, 8, 15, 30];
/// Faults end after a number of steps between these.
const FAULT_STEPS_MIN: u32 = 200;
const FAULT_STEPS_MAX: u32 = 1_200;
/// One seed of so many runs every processor in a group of its own.
const SPLIT_ONE_OF: u32 = 8;
/// Orders with a future start begin so much later at most.
const FUTURE_START_MS_MAX: i64 = 60_000;

/// The systems that may be silent: their silence is noticed soon, and what they never heard of is sent again. People's work and
/// parcels are not watched like that, and an order that meets such a silence waits for a person.
const SILENT_SYSTEMS: [&str; 3] = ["provisioning", "billing", "networkInventory"];

/// A silent system falls silent so long after its first command at most, and for so long at most.
const SILENT_AFTER_MS_MAX: i64 = 20_000;
const SILENT_MS_MAX: i64 = 60_000;

/// The seed's decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    pub partitions: u32,
    pub workers: usize,
    pub batch_records_max: usize,
    pub is_split: bool,
    /// Whether workers keep copies of the state of others.
    pub stand_by: bool,
    pub fault_percent: u32,
    pub fault_steps: u32,
    pub generator: Generator,
    pub scenario: Scenario,
}

impl Plan {
    /// # Errors
    /// The generator refuses what is asked of it.
    pub fn draw(seed: u64, rng: &mut ChaCha8Rng, stage: &Stage) -> Result<Plan, String> {
        let is_split = rng.random_ratio(1, SPLIT_ONE_OF);
        let settings = Settings {
            seed,
            orders: rng.random_range(1..=ORDERS_MAX),
            fault_rate: [0.0, 0.3, 0.7][rng.random_range(0..3)],
            base_time: Timestamp(START_MS),
            future_start_ms_max: FUTURE_START_MS_MAX,
            outages: false,
            only: None,
        };
        let generator = Generator::new(settings, Vec::new())?;
        let mut scenario = Scenario { seed, ..Scenario::default() };
        scenario.cover(stage.catalog.task_types.values());
        scenario.behaviour.latency = Latency::Uniform { ms_min: 1, ms_max: 2_000 };
        if rng.random_ratio(1, 2) {
            scenario.noise = noise();
        }
        if rng.random_ratio(1, 3) {
            let systems: Vec<&String> = stage.catalog.systems.keys().collect();
            scenario.outages.push(outage(systems[rng.random_range(0..systems.len())], rng));
        }
        generator.plant(&mut scenario);
        Ok(Plan {
            partitions: rng.random_range(1..=PARTITIONS_MAX),
            workers: if is_split { 1 } else { rng.random_range(1..=WORKERS_MAX) },
            batch_records_max: rng.random_range(1..=BATCH_RECORDS_MAX),
            is_split,
            stand_by: rng.random_ratio(1, 2),
            fault_percent: FAULT_PERCENTS[rng.random_range(0..FAULT_PERCENTS.len())],
            fault_steps: rng.random_range(FAULT_STEPS_MIN..=FAULT_STEPS_MAX),
            generator,
            scenario,
        })
    }
}

/// Lies and silence of single systems, each of a kind that an order survives.
fn noise() -> Noise {
    Noise {
        transient: 0.04,
        // Silence is planted where a timer watches: of manual work only the scan for stuck orders notices it, and the order stays stuck.
        silent_but_done: 0.0,
        lost: 0.0,
        duplicate_answers: 0.08,
        out_of_order: 0.05,
        late_duplicate: 0.05,
        partial: 0.04,
    }
}

/// One system is away: for a few commands, of which it turns none away twice; or silent for a while that is over before
/// anybody asks, since an order whose questions are not answered either waits for a person.
fn outage(system: &str, rng: &mut ChaCha8Rng) -> Outage {
    let may_be_silent = SILENT_SYSTEMS.contains(&system);
    let answer = if may_be_silent && rng.random() { OutageAnswer::Silent } else { OutageAnswer::Refuses };
    let window = match answer {
        OutageAnswer::Refuses => {
            Window::Count { after_commands: rng.random_range(0..4), commands: rng.random_range(1..6) }
        }
        OutageAnswer::Silent => Window::Time {
            after_ms: rng.random_range(0..SILENT_AFTER_MS_MAX),
            for_ms: rng.random_range(0..SILENT_MS_MAX),
        },
    };
    Outage { system: system.to_owned(), window, answer, refusals_per_command_max: Some(1) }
}
