//! Plays: no room on the disk of one of two processes on a cluster, for its state and its rows. It says so; nothing is lost or done twice;
//! and when there is room again it goes on by itself, or, where the disk was not full but forbidden, after its next start.
use std::time::Duration;

use integration_tests::disk::{self, Disk, fill};
use integration_tests::kafka::Cluster;
use integration_tests::play::Play;
use integration_tests::process::{Service, until};
use integration_tests::site::until_all_have_partitions;

const TAKE_WAIT: Duration = Duration::from_secs(60);
const SAY_WAIT: Duration = Duration::from_secs(60);
const DISK_MEBIBYTES: u32 = 100;
/// So little that no store can set room aside for itself, and enough to start.
const LEFT_BYTES: u64 = 6 << 20;
/// In blocks of `ulimit -f`, which are 512 bytes or 1 KiB by the shell: enough to start, and too little for its part of the orders.
const FILE_BLOCKS_MAX: u32 = 1_000;
/// What a worker says of what it has committed, replayed or looked at and cannot keep: whichever comes first.
const SAID: [&str; 2] = ["could not write ", ": IO error: "];
const PARTS: usize = 3;
const TIME_DIVISOR: u32 = 100;
const REFUSED: i32 = 3;

#[test]
fn a_process_whose_disk_is_full_goes_on_when_there_is_room() {
    match disk::small("a_process_whose_disk_is_full_goes_on_when_there_is_room", DISK_MEBIBYTES) {
        Disk::Small(disk) => on_small_disk(&disk),
        // Where nothing may be mounted, the test with a limit on the size of files has to do: it is always played.
        Disk::Played | Disk::Limited => {}
    }
}

fn said(service: &Service, why: &str) -> bool {
    service.said().lines().any(|line| SAID.iter().all(|part| line.contains(part)) && line.contains(why))
}

fn on_small_disk(disk: &std::path::Path) {
    let cluster = Cluster::start(1);
    let mut play = Play::prepare(&cluster, "kafka_full_disk", 41, TIME_DIVISOR);
    std::os::unix::fs::symlink(disk, &play.other.data_dir).unwrap();
    fill(disk, "most", LEFT_BYTES);
    let (one, other) = (play.one.start(), play.other.start());
    until_all_have_partitions(&[&play.one, &play.other]);
    play.send_part(PARTS, TAKE_WAIT);
    fill(disk, "rest", 0);
    play.send_part(PARTS, TAKE_WAIT);
    until(SAY_WAIT, "it says so", || said(&other, "No space left on device"));
    let status = play.other.said(&["status"]).ended(REFUSED);
    assert!(status.out.contains("problem: 0 MiB are left on the disk of the data directory"), "{status:?}");
    std::fs::remove_file(disk.join("rest")).unwrap();
    std::fs::remove_file(disk.join("most")).unwrap();
    play.send_rest(TAKE_WAIT);
    until(SAY_WAIT, "it goes on", || other.said().contains("batches are committed again"));
    play.end(&cluster, one, other);
}

#[test]
fn a_process_whose_files_may_not_grow_goes_on_after_its_next_start() {
    let cluster = Cluster::start(1);
    let mut play = Play::prepare(&cluster, "kafka_full_disk", 42, TIME_DIVISOR);
    let one = play.one.start();
    let limited = disk::limited(&play.other.command(&["run"]), FILE_BLOCKS_MAX);
    let other = Service::start(limited, &play.other.data_dir);
    until_all_have_partitions(&[&play.one, &play.other]);
    play.send_part(2, TAKE_WAIT);
    until(SAY_WAIT, "it says so", || said(&other, "File too large"));
    other.kill();
    let other = play.other.start();
    play.send_rest(TAKE_WAIT);
    play.end(&cluster, one, other);
}
