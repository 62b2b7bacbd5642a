//! W6 with more of the machine: on one core and on more of them, and with one worker and more of them. Pinned are engine, projection, load
//! and downstream together, since they are one process; so a ratio of 2 for two cores is what can be had at most of work that is divided.
use serde::Serialize;

use crate::w6::{Load, Point};
use crate::{points, process, report};

#[derive(Clone, Debug, clap::Args)]
pub struct Extent {
    /// Orders in flight, one comparison each; the last of them for the workers.
    #[arg(long, value_delimiter = ',', default_value = "4,64,512")]
    pub in_flight: Vec<usize>,
    /// The process is held to so many, in turn; more than there are, are left out. Ratios are to the first.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    pub cores: Vec<usize>,
    /// Workers of the orders, and as many partitions, in turn, on all cores; 0: not compared. Ratios are to the first.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    pub workers: Vec<u32>,
    /// How often each comparison is made.
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// Of each point; longer where what is in flight does not end twice in it.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: report::Machine,
    pub by_cores: Vec<Compared>,
    pub by_workers: Vec<Compared>,
}

/// Points that differ in one thing, measured one right after the other.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    pub in_flight: usize,
    pub points: Vec<Point>,
    /// Orders/s of each, of those of the first.
    pub of_first: Vec<f64>,
}

/// # Errors
/// One of the measurements fails.
pub fn measure(extent: &Extent) -> anyhow::Result<Report> {
    let machine = report::machine()?;
    let there = process::cores()?;
    let (cores, too_many): (Vec<usize>, Vec<usize>) = extent.cores.iter().partition(|cores| **cores <= there);
    if !too_many.is_empty() {
        eprintln!("{there} cores may be used, so {too_many:?} are left out");
    }
    let (mut by_cores, mut by_workers) = (Vec::new(), Vec::new());
    for in_flight in &extent.in_flight {
        for _ in 0..extent.times {
            let loads = cores.iter().map(|cores| Load { cores: Some(*cores), ..load(extent, *in_flight) });
            by_cores.push(compared(*in_flight, loads)?);
        }
    }
    let workers: Vec<u32> = extent.workers.iter().copied().filter(|workers| *workers > 0).collect();
    if let Some(in_flight) = extent.in_flight.last().filter(|_| !workers.is_empty()) {
        for _ in 0..extent.times {
            let loads = workers.iter().map(|workers| {
                let (workers, partitions) = (Some(*workers), Some(*workers));
                Load { workers, partitions, ..load(extent, *in_flight) }
            });
            by_workers.push(compared(*in_flight, loads)?);
        }
    }
    Ok(Report { machine, by_cores, by_workers })
}

fn load(extent: &Extent, in_flight: usize) -> Load {
    Load {
        in_flight,
        saturated: false,
        fsync: true,
        seconds: extent.seconds,
        partitions: None,
        workers: None,
        cores: None,
        beside_bare: false,
    }
}

fn compared(in_flight: usize, loads: impl Iterator<Item = Load>) -> anyhow::Result<Compared> {
    let points = loads.map(|load| points::point(&load)).collect::<anyhow::Result<Vec<Point>>>()?;
    let orders_per_s: Vec<f64> = points.iter().map(|point| point.orders_per_s).collect();
    Ok(Compared { in_flight, points, of_first: of_first(&orders_per_s) })
}

fn of_first(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value / values[0]).collect()
}

/// What a person reads.
pub fn print(report: &Report) {
    report::print_machine(&report.machine);
    println!(
        "\nW6 with fsync, the whole process (engine, projection, load and downstream) held to so many cores; {} partitions, {} workers",
        first(&report.by_cores, |point| point.partitions),
        first(&report.by_cores, |point| point.workers)
    );
    print_table("cores", &report.by_cores, |point| point.cores.to_string());
    if !report.by_workers.is_empty() {
        println!("W6 with fsync on {} cores, as many partitions as workers", report.machine.cores);
        print_table("workers", &report.by_workers, |point| point.workers.to_string());
    }
}

fn first(compared: &[Compared], of: impl Fn(&Point) -> u32) -> u32 {
    compared.first().and_then(|compared| compared.points.first()).map_or(0, of)
}

fn print_table(what: &str, compared: &[Compared], name: impl Fn(&Point) -> String) {
    let mut lines = report::table(&[
        "in flight",
        what,
        "orders/s",
        "of the first",
        "p50 ms",
        "p99 ms",
        "hop p50 ms",
        "hop p99 ms",
        "CPU ms/order",
    ]);
    for compared in compared {
        for (point, of_first) in compared.points.iter().zip(&compared.of_first) {
            lines.add_row([
                compared.in_flight.to_string(),
                name(point),
                format!("{:.0}", point.orders_per_s),
                format!("{of_first:.2}"),
                format!("{:.1}", point.p50_ms),
                format!("{:.1}", point.p99_ms),
                format!("{:.1}", point.hop_p50_ms),
                format!("{:.1}", point.hop_p99_ms),
                format!("{:.2}", point.cpu_ms_per_order),
            ]);
        }
    }
    println!("{lines}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ratio is the wrong way round, or to another than the first.
    #[test]
    fn growth_is_what_the_first_is_exceeded_by() {
        assert_eq!(of_first(&[200.0, 300.0, 100.0]), [1.0, 1.5, 0.5]);
    }

    /// A process is held to more cores than it was to be, or a core too many is passed over in silence.
    #[test]
    fn a_thread_is_held_to_as_many_cores_as_were_asked_for() {
        // On a thread of its own: the tests beside it keep theirs.
        let held = std::thread::spawn(|| {
            let there = process::cores().unwrap();
            let refused = process::hold_to(there + 1).unwrap_err().to_string();
            process::hold_to(1).unwrap();
            (process::cores().unwrap(), refused, there)
        });
        let (held, refused, there) = held.join().unwrap();
        assert_eq!(held, 1);
        assert!(refused.contains(&format!("may run on {there} cores")), "{refused}");
    }
}
