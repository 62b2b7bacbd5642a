//! How far the state of partitions is that this process was given on Kafka: a bar at a terminal, below the lines of the log. Elsewhere the
//! log and the metrics say it.
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use runtime::StopSignal;
use runtime::log::kafka::Restoration;
use tracing_subscriber::fmt::MakeWriter;

use crate::service::Store;

const LOOK_WAIT: Duration = Duration::from_millis(200);
const TEMPLATE: &str = "restoring state {bar:40} {pos}/{len} records, {per_sec}, {msg}";

/// The bars of this process; whoever writes to standard error does it past them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Standard error, with the bars below what is written.
#[derive(Clone, Copy, Debug)]
pub struct AboveBars;

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        BARS.suspend(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl MakeWriter<'_> for AboveBars {
    type Writer = AboveBars;

    fn make_writer(&self) -> AboveBars {
        AboveBars
    }
}

/// What was to be read since there was last nothing to be read, and how much of it is left.
#[derive(Debug, Default)]
struct Tally {
    /// By worker and partition: as much as was ever left, and what is left now. None: it is not known yet.
    partitions: BTreeMap<(Arc<str>, u32), (u64, Option<u64>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    records: u64,
    done: u64,
    partitions: usize,
    ready: usize,
}

impl Tally {
    /// None: nothing is being restored.
    fn take(&mut self, restoring: &[Restoration]) -> Option<Shown> {
        if restoring.is_empty() {
            self.partitions.clear();
            return None;
        }
        for (_, left) in self.partitions.values_mut() {
            *left = Some(0);
        }
        for one in restoring {
            let (most, left) = self.partitions.entry((one.worker.clone(), one.partition)).or_default();
            *most = one.left_records.unwrap_or(0).max(*most);
            *left = one.left_records;
        }
        let records = self.partitions.values().map(|(most, _)| most).sum();
        let left: u64 = self.partitions.values().map(|(most, left)| left.unwrap_or(*most)).sum();
        let partitions = self.partitions.len();
        Some(Shown { records, done: records - left, partitions, ready: partitions - restoring.len() })
    }
}

/// Shows it until `stop`, where standard error is a terminal.
///
/// # Errors
/// None that can be met: the template is our own.
pub fn show(store: &Store, stop: &StopSignal) -> anyhow::Result<()> {
    if store.log.embedded().is_some() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let (style, mut tally) = (ProgressStyle::with_template(TEMPLATE)?, Tally::default());
    let mut bar: Option<ProgressBar> = None;
    while !stop.wait(LOOK_WAIT) {
        match tally.take(&store.log.restoring()) {
            None => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            Some(shown) => {
                let bar = bar.get_or_insert_with(|| {
                    BARS.add(ProgressBar::new(shown.records).with_style(style.clone()))
                });
                bar.set_length(shown.records);
                bar.set_position(shown.done);
                bar.set_message(format!("{} of {} partitions ready", shown.ready, shown.partitions));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_counts_as_read_until_nothing_is_left() {
        let one = |partition, left_records| Restoration { worker: "w".into(), partition, left_records };
        let shown = |done, records, ready, partitions| Some(Shown { records, done, partitions, ready });
        let mut tally = Tally::default();
        assert_eq!(tally.take(&[]), None);
        assert_eq!(tally.take(&[one(0, None), one(1, None)]), shown(0, 0, 0, 2));
        assert_eq!(tally.take(&[one(0, None), one(1, Some(100))]), shown(0, 100, 0, 2));
        assert_eq!(tally.take(&[one(0, Some(50)), one(1, Some(60))]), shown(40, 150, 0, 2));
        assert_eq!(tally.take(&[one(0, Some(10))]), shown(140, 150, 1, 2));
        // One that is begun anew is whole again.
        assert_eq!(tally.take(&[one(0, None)]), shown(100, 150, 1, 2));
        assert_eq!(tally.take(&[]), None);
        assert_eq!(tally.take(&[one(1, Some(5))]), shown(0, 5, 0, 1), "what was before is forgotten");
    }
}
