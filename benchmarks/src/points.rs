//! The points of W6 on the embedded log: one measurement for each number of orders in flight, each in a process of its own.
use comfy_table::Table;

use crate::w6::{Load, Point};
use crate::{apart, report};

/// Takes a [`Load`] as JSON and prints a [`Point`] as JSON.
pub const SUBCOMMAND: &str = "w6-point";

#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Extent {
    /// Orders in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "4,64,512")]
    pub in_flight: Vec<usize>,
    /// Orders in flight that are more than the machine can keep up with; measured once, with the first of --fsync. 0: not measured.
    #[arg(long, default_value_t = 4_096)]
    pub saturated: usize,
    /// With an fsync for each commit, without, or both.
    #[arg(long, value_delimiter = ',', default_value = "true,false")]
    pub fsync: Vec<bool>,
    /// Of each point of W6; longer where what is in flight does not end twice in it.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Of the order-keyed topics; else as shipped.
    #[arg(long)]
    pub partitions: Option<u32>,
    /// Of the orders; else as shipped. More than there are partitions are idle.
    #[arg(long)]
    pub workers: Option<u32>,
}

impl Extent {
    /// In the sequence in which they are measured.
    fn loads(&self) -> Vec<Load> {
        let mut loads = Vec::new();
        for (number, fsync) in self.fsync.iter().enumerate() {
            let saturated = (number == 0 && self.saturated > 0).then_some((self.saturated, true));
            let in_flight = self.in_flight.iter().map(|in_flight| (*in_flight, false));
            loads.extend(in_flight.chain(saturated).map(|(in_flight, saturated)| Load {
                in_flight,
                saturated,
                fsync: *fsync,
                seconds: self.seconds,
                partitions: self.partitions,
                workers: self.workers,
                cores: None,
                beside_bare: true,
            }));
        }
        loads
    }
}

/// # Errors
/// One of the measurements fails.
pub fn measure(extent: &Extent) -> anyhow::Result<Vec<Point>> {
    let loads = extent.loads();
    loads.iter().map(point).collect()
}

/// One of them.
///
/// # Errors
/// The measurement fails.
pub fn point(load: &Load) -> anyhow::Result<Point> {
    let fsync = if load.fsync { "on" } else { "off" };
    eprintln!("W6, {} in flight, fsync {fsync}", load.in_flight);
    apart::run(SUBCOMMAND, load)
}

/// How tables name the orders in flight.
pub(crate) fn in_flight(in_flight: usize, saturated: bool) -> String {
    if saturated { format!("{in_flight}, saturated") } else { in_flight.to_string() }
}

/// What a person reads.
pub fn print(points: &[Point]) {
    println!(
        "\nW6, whole product, load and downstream in one process, whose memory and CPU are theirs too. A hop is from an answer that is\n\
         handed in to the order's next command that is read, both written in between"
    );
    println!("{}\n", table(points));
}

fn table(points: &[Point]) -> Table {
    let mut lines = report::table(&[
        "in flight",
        "fsync",
        "orders/s",
        "of bare",
        "p50 ms",
        "p99 ms",
        "hop p50 ms",
        "hop p99 ms",
        "CPU ms/order",
        "bytes/order",
        "MiB",
        "peak MiB",
    ]);
    for point in points {
        lines.add_row([
            in_flight(point.in_flight, point.saturated),
            if point.fsync { "on" } else { "off" }.to_owned(),
            format!("{:.0}", point.orders_per_s),
            point.of_bare.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            format!("{:.1}", point.p50_ms),
            format!("{:.1}", point.p99_ms),
            format!("{:.1}", point.hop_p50_ms),
            format!("{:.1}", point.hop_p99_ms),
            format!("{:.2}", point.cpu_ms_per_order),
            format!("{:.0}", point.disk_bytes_per_order),
            (point.resident.now_bytes >> 20).to_string(),
            (point.resident.peak_bytes >> 20).to_string(),
        ]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(saturated: usize) -> Extent {
        Extent {
            in_flight: vec![4, 64],
            saturated,
            fsync: vec![true, false],
            seconds: 1,
            partitions: None,
            workers: None,
        }
    }

    /// The saturated point is measured again for each kind of fsync, or not at all, or is not told apart.
    #[test]
    fn the_saturated_point_is_measured_once_and_named() {
        let of = |saturated| -> Vec<(usize, bool, bool)> {
            let loads = extent(saturated).loads();
            loads.iter().map(|load| (load.in_flight, load.saturated, load.fsync)).collect()
        };
        let [four, many] = [(4, false), (64, false)];
        let with = |point: (usize, bool), fsync| (point.0, point.1, fsync);
        assert_eq!(of(0), [with(four, true), with(many, true), with(four, false), with(many, false)]);
        assert_eq!(of(256)[2], (256, true, true));
        assert_eq!(of(256).iter().filter(|load| load.1).count(), 1);
        assert_eq!(in_flight(256, true), "256, saturated");
        assert_eq!(in_flight(64, false), "64");
    }

    /// A load does not come out of its process's argument as it went in: then another point is measured than is shown.
    #[test]
    fn a_load_is_the_same_in_the_process_that_measures_it() {
        for load in extent(256).loads() {
            let there: Load = serde_json::from_str(&serde_json::to_string(&load).unwrap()).unwrap();
            assert_eq!(there, load);
        }
    }
}
