//! What the operating system knows of this process. Linux alone: elsewhere nothing is told.
use std::fs;

use metrics::gauge;

/// Ticks of /proc/self/stat per second: fixed at 100 for programs, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;
/// Of the fields behind the name of the program in /proc/self/stat: user and system time (proc(5) counts them as 14 and 15).
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

pub fn tell(started_at_ms: i64) {
    gauge!("orderstream_process_start_time_seconds").set(started_at_ms as f64 / 1_000.0);
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
        gauge!("orderstream_process_resident_memory_bytes").set(bytes);
    }
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
        gauge!("orderstream_process_cpu_seconds").set(seconds);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        gauge!("orderstream_process_open_files").set(files.count() as f64);
    }
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name stands in parentheses and may hold anything, parentheses included.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!((resident_bytes(""), cpu_seconds("")), (None, None));
        let own = fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident_bytes(&own).unwrap() > 1_000_000.0);
        assert!(cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
