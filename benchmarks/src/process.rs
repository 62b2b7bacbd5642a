//! What a process costs, as the kernel counts it.
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// CPU time per thread name, in milliseconds; threads of one name are added up.
///
/// # Errors
/// The process is gone.
pub fn cpu_ms_by_thread(pid: u32) -> anyhow::Result<BTreeMap<String, f64>> {
    let tasks = format!("/proc/{pid}/task");
    let mut by_name: BTreeMap<String, f64> = BTreeMap::new();
    for entry in std::fs::read_dir(&tasks).with_context(|| format!("could not read \"{tasks}\""))? {
        let path = entry?.path();
        // A thread that ended meanwhile is missed; what is measured here lives as long as the measurement.
        let (Ok(name), Ok(stat)) =
            (std::fs::read_to_string(path.join("comm")), std::fs::read_to_string(path.join("schedstat")))
        else {
            continue;
        };
        let on_cpu_ns: f64 = stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        *by_name.entry(name.trim().to_owned()).or_default() += on_cpu_ns / 1e6;
    }
    Ok(by_name)
}

/// What was used between two looks, by thread name; the most first.
pub fn spent(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let since = |name: &String, ms: &f64| ms - before.get(name).copied().unwrap_or(0.0);
    let mut spent: Vec<(String, f64)> =
        after.iter().map(|(name, ms)| (name.clone(), since(name, ms))).filter(|(_, ms)| *ms > 0.0).collect();
    spent.sort_by(|a, b| b.1.total_cmp(&a.1));
    spent
}

/// Resident memory and its peak, in bytes.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resident {
    pub now_bytes: u64,
    pub peak_bytes: u64,
}

/// # Errors
/// The process is gone.
pub fn resident(pid: u32) -> anyhow::Result<Resident> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("could not read \"{path}\""))?;
    let kib = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find(|line| line.starts_with(name));
        let text = line.and_then(|line| line.split_whitespace().nth(1));
        text.and_then(|text| text.parse().ok()).with_context(|| format!("no {name} in \"{path}\""))
    };
    Ok(Resident { now_bytes: kib("VmRSS:")? * 1_024, peak_bytes: kib("VmHWM:")? * 1_024 })
}

/// On how many cores this process may run.
///
/// # Errors
/// The system does not say.
pub fn cores() -> anyhow::Result<usize> {
    Ok(std::thread::available_parallelism()?.get())
}

/// Holds this thread, and all that it starts from now on, to so many of the cores that it may run on. The last of them: what the
/// system does by itself is mostly on the first.
///
/// # Errors
/// There are fewer.
pub fn hold_to(cores: usize) -> anyhow::Result<()> {
    let this = Pid::from_raw(0);
    let (allowed, mut held, mut left) = (sched_getaffinity(this)?, CpuSet::new(), cores);
    for core in (0..CpuSet::count()).rev() {
        if left > 0 && allowed.is_set(core)? {
            held.set(core)?;
            left -= 1;
        }
    }
    ensure!(left == 0, "this process may run on {} cores, and was to be held to {cores}", cores - left);
    Ok(sched_setaffinity(this, &held)?)
}

/// Bytes of all files below a directory.
///
/// # Errors
/// It cannot be read.
pub fn directory_bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in
        std::fs::read_dir(directory).with_context(|| format!("could not read \"{}\"", directory.display()))?
    {
        let entry = entry?;
        // A file that compaction took away meanwhile counts nothing.
        let Ok(kind) = entry.metadata() else { continue };
        bytes += if kind.is_dir() { directory_bytes(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}
