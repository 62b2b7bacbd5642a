//! Every metric, once: its name, kind, unit, labels, and what it says. docs/metrics.md comes from here, and a test compares it with what
//! a running service gives.
use gateway::registry::{Kind, Metric};

/// From ten microseconds, what a small step takes, to a second.
const STAGE_SECONDS: &[f64] = &[0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];
/// From a write without fsync to a disk that hangs.
const COMMIT_SECONDS: &[f64] = &[0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
const BATCH_RECORDS: &[f64] = &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 100_000.0];

const STAGE: &[&str] = &["stage"];
const WORKER: &[&str] = &["worker"];
const SYSTEM: &[&str] = &["system"];
const NONE: &[&str] = &[];

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    says: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, says }
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    says: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, says }
}

const fn histogram(
    name: &'static str,
    bounds: &'static [f64],
    unit: &'static str,
    labels: &'static [&'static str],
    says: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(bounds), unit, labels, says }
}

/// A part of docs/metrics.md.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub title: &'static str,
    pub metrics: &'static [Metric],
}

#[rustfmt::skip]
const STAGES: &[Metric] = &[
    counter("orderstream_stage_input_records_total", "records", STAGE,
        "Records, events and timers that a stage has dealt with, committed."),
    gauge("orderstream_stage_in_progress_records", "records", STAGE,
        "Those that it has dealt with and that are not committed yet. It stays up when a commit hangs."),
    counter("orderstream_stage_output_records_total", "records", STAGE,
        "Records that it has written, committed."),
    gauge("orderstream_stage_last_processed_timestamp_seconds", "seconds since 1970", STAGE,
        "When it last dealt with something; 0 before the first."),
    histogram("orderstream_stage_duration_seconds", STAGE_SECONDS, "seconds", STAGE,
        "How long it takes for one of them, reading and writing of its state and its outputs included, the commit not."),
    gauge("orderstream_heartbeat_age_seconds", "seconds", STAGE,
        "How long ago the last heartbeat was sent that the stage has passed on, in its slowest partition. Stage \"projection\" is the projection. Rises without end when a shard hangs, or while no process runs the stage."),
];

#[rustfmt::skip]
const ORDERS: &[Metric] = &[
    counter("orderstream_order_transitions_total", "transitions", &["to"],
        "How often an order reached a state."),
    counter("orderstream_commands_sent_total", "commands", SYSTEM,
        "Commands sent to a system, each sending counted. System \"other\" stands for all that no catalog names."),
    counter("orderstream_commands_answered_total", "answers", &["system", "outcome"],
        "Answers that came from a system, repeated ones included."),
    counter("orderstream_fallout_cases_opened_total", "cases", &["class"],
        "Fallout cases opened, by the domain of the failure."),
    counter("orderstream_stuck_orders_found_total", "orders", NONE,
        "Orders that were found stuck: active, and nothing is expected of them any more."),
    gauge("orderstream_circuit_state", "state", SYSTEM,
        "The circuit breaker of a system: 0 closed, 1 half open, 2 open."),
    gauge("orderstream_circuit_waiting_tasks", "tasks", SYSTEM,
        "Tasks that wait for their turn at a system that is unwell."),
];

#[rustfmt::skip]
const WORKERS: &[Metric] = &[
    counter("orderstream_input_records_total", "records", WORKER,
        "Records that a worker has read. After a batch that failed, they are read again and counted again."),
    counter("orderstream_output_records_total", "records", WORKER, "Records that it has written, committed."),
    counter("orderstream_timers_fired_total", "timers", WORKER, "Timers that it has fired."),
    counter("orderstream_dead_letters_total", "records", WORKER,
        "Records and timers that could not be processed and went to the dead-letter topic. Each wants a person."),
    counter("orderstream_batches_failed_total", "batches", WORKER,
        "Batches that were thrown away and tried again."),
    histogram("orderstream_batch_size_records", BATCH_RECORDS, "records", WORKER, "How many records it took at once."),
    histogram("orderstream_commit_duration_seconds", COMMIT_SECONDS, "seconds", WORKER,
        "From handing a batch over to knowing that it is committed."),
    gauge("orderstream_assigned_partitions", "partitions", &["group", "worker"], "Partitions that it works on."),
];

#[rustfmt::skip]
const LOG: &[Metric] = &[
    gauge("orderstream_lag_records", "records", &["group", "topic"],
        "Records of a topic that a group has not processed yet, over all partitions."),
    histogram("orderstream_log_write_duration_seconds", COMMIT_SECONDS, "seconds", NONE,
        "One write to the store, with its fsync; it carries the commits of all who waited."),
    gauge("orderstream_store_bytes", "bytes", &["content"],
        "Files of the store on disk, without its write-ahead log."),
    gauge("orderstream_store_memory_bytes", "bytes", &["kind"],
        "Memory that the store takes for what was read (blockCache) and written (writeBuffers)."),
    gauge("orderstream_timers_estimate", "timers", NONE,
        "Timers that are set, about."),
];

/// What only a log on Kafka has.
#[rustfmt::skip]
const KAFKA: &[Metric] = &[
    counter("orderstream_replayed_records_total", "records", NONE,
        "Records of changelogs that were read to restore the state of partitions that were taken over."),
    gauge("orderstream_restoring_partitions", "partitions", WORKER,
        "Partitions that it was given and whose state it is still reading; the others go on meanwhile."),
    gauge("orderstream_restoring_left_records", "records", WORKER,
        "How much of their changelogs is still to be read, marks of transactions counted as records."),
    counter("orderstream_standby_records_total", "records", WORKER,
        "Records of changelogs that were read for copies of the state of partitions that others have."),
    gauge("orderstream_standby_partitions", "partitions", WORKER,
        "Partitions that others have and of which it keeps a copy."),
    gauge("orderstream_standby_lag_records", "records", WORKER,
        "How much of their changelogs its copies lack together, marks of transactions counted as records: about what a take-over of all would read."),
];

#[rustfmt::skip]
const PROJECTION: &[Metric] = &[
    gauge("orderstream_projection_lag_records", "records", NONE,
        "Events that the projection has not read yet: queries answer as of before them."),
    gauge("orderstream_projection_lag_seconds", "seconds", NONE,
        "How old the last event was when the projection applied it, and so much more as it makes room for a restore; 0 where it has read all there are."),
];

#[rustfmt::skip]
const PROCESS: &[Metric] = &[
    gauge("orderstream_process_resident_memory_bytes", "bytes", NONE, "Memory of the process that is in RAM."),
    gauge("orderstream_process_cpu_seconds", "seconds", NONE, "Processor time that it has used since it started; only rises."),
    gauge("orderstream_process_start_time_seconds", "seconds since 1970", NONE, "When it started."),
    gauge("orderstream_process_open_files", "files", NONE, "Files and sockets that it has open."),
];

/// The part that a service on an embedded log does not have.
pub const ON_KAFKA: &str = "On Kafka";

/// All of them, as docs/metrics.md shows them.
pub const GROUPS: &[Group] = &[
    Group { title: "Stages", metrics: STAGES },
    Group { title: "Orders and systems", metrics: ORDERS },
    Group { title: "Workers", metrics: WORKERS },
    Group { title: "Log and store", metrics: LOG },
    Group { title: ON_KAFKA, metrics: KAFKA },
    Group { title: "Projection", metrics: PROJECTION },
    Group { title: "Process", metrics: PROCESS },
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|group| group.metrics)
}

/// The generated block of docs/metrics.md.
pub fn reference() -> String {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!(
            "\n### {}\n\n| name | kind | unit | labels | what it says |\n|---|---|---|---|---|\n",
            group.title
        ));
        for metric in group.metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            text.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                metric.name,
                metric.kind.word(),
                metric.unit,
                labels.join(", "),
                metric.says
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_ours_end_with_their_unit_and_are_declared_once() {
        for metric in all() {
            assert!(metric.name.starts_with("orderstream_"), "{}", metric.name);
            assert_eq!(all().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.says.ends_with('.'), "{}", metric.name);
            let unit = metric.unit.split(' ').next().unwrap();
            let said = metric.name.trim_end_matches("_total").trim_end_matches("_estimate");
            let counts_what_it_names = said.ends_with(unit)
                || said.contains(unit.trim_end_matches('s'))
                || metric.kind == Kind::Counter;
            assert!(counts_what_it_names, "{} counts {}", metric.name, metric.unit);
        }
    }
}
