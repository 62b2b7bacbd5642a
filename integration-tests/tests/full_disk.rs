//! Plays: no room on the disk. What was acknowledged is not lost, what cannot be taken is refused with the reason, one line says
//! so, and when there is room again everything goes on.
//!
//! A real full disk is a small file system of its own, and needs the right to mount one, which a container may not have. A limit on the
//! size of files always works, and stands in for it there: the kernel refuses to let the log grow, with another error.
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use integration_tests::disk::{self, Disk, fill};
use integration_tests::process::{self, Said, Service, orders_in, run, submit, until};

const WAIT: Duration = Duration::from_secs(120);
/// What the log of the service says once per trouble.
const SAID: &str = "log cannot be written";
/// In blocks of `ulimit -f`, which are 512 bytes or 1 KiB by the shell.
const FILE_BLOCKS_MAX: u32 = 3_000;
const DISK_MEBIBYTES: u32 = 400;
/// So little that no store can set room aside for itself, and enough to start.
const LEFT_BYTES: u64 = 6 << 20;
const ORDERS_MAX: usize = 200;

/// How often the log of the service says something.
fn said(service: &Service, what: &str) -> usize {
    service.said().lines().filter(|line| line.contains(what)).count()
}

#[test]
fn a_log_that_may_not_grow_refuses_orders_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listening = |arguments: &[&str]| {
        let mut command = process::orderstream(&data_dir, arguments);
        command.env("ORDERSTREAM__GATEWAY__LISTEN", &address);
        command
    };
    let ready = || Said::from(listening(&["health", "--ready"]).output().unwrap());
    let command = listening(&["run"]);
    let service = Service::start(disk::limited(&command, FILE_BLOCKS_MAX), &data_dir);
    until(WAIT, "it is ready", || ready().code == Some(0));
    let mut taken = 0;
    let refused = (0..ORDERS_MAX).find_map(|number| {
        let answer = submit(&data_dir, &[&format!("F-{number}")]);
        taken += usize::from(answer.code == Some(0));
        (answer.code != Some(0)).then_some(answer)
    });
    let refused = refused.expect("the log reached its limit").ended(1);
    assert!(refused.err.contains("could not write to the log: "), "{}", refused.err);
    let status = run(&data_dir, &["status"]).ended(3);
    assert!(status.out.contains("problem: the log cannot be written"), "{}", status.out);
    let not_ready = ready().ended(3);
    assert!(not_ready.out.contains("orders: the log cannot be written: "), "{not_ready:?}");
    assert_eq!(said(&service, SAID), 1, "{}", service.said());
    service.kill();
    let service = Service::run(&data_dir);
    until(WAIT, "all that were taken are completed", || orders_in(&data_dir, "completed") >= taken);
    submit(&data_dir, &["F-last"]).ended(0);
    assert_eq!(service.stop(), Some(0));
    // The order that was refused may be there: the write that failed can have reached the disk all the same.
    let listed = run(&data_dir, &["order", "list", "--limit", "1000", "--json"]).json(0);
    let listed = listed["rows"].as_array().unwrap().len();
    assert!((taken + 1..=taken + 2).contains(&listed), "{taken} were taken, and {listed} are there");
    run(&data_dir, &["verify"]).ended(0);
}

#[test]
fn a_full_disk_is_said_once_and_the_service_goes_on_when_there_is_room() {
    match disk::small("a_full_disk_is_said_once_and_the_service_goes_on_when_there_is_room", DISK_MEBIBYTES) {
        Disk::Small(disk) => on_small_disk(&disk),
        // Where nothing may be mounted, the test with a limit on the size of files has to do: it is always played.
        Disk::Played | Disk::Limited => {}
    }
}

fn on_small_disk(disk: &Path) {
    let data_dir = disk.join("data");
    let slow = disk.join("slow.toml");
    std::fs::write(&slow, "behaviour = { latency = { kind = \"fixed\", ms = 3_000 } }\n").unwrap();
    let service = Service::run(&data_dir);
    run(&data_dir, &["downstream", "scenario", &slow.display().to_string()]).ended(0);
    submit(&data_dir, &["A-1", "A-2"]).ended(0);
    until(WAIT, "both orders are under way", || orders_in(&data_dir, "inProgress") == 2);
    assert_eq!(service.stop(), Some(0));
    fill(disk, "most", LEFT_BYTES);
    let service = Service::run(&data_dir);
    let refused = submit(&data_dir, &["A-3"]).ended(1);
    assert!(
        refused.err.contains("no order is taken: ") && refused.err.contains("make room"),
        "{}",
        refused.err
    );
    fill(disk, "rest", 0);
    until(WAIT, "the log is full", || said(&service, SAID) == 1);
    until(WAIT, "the status says so", || {
        run(&data_dir, &["status"]).out.contains("problem: the log cannot be written: ")
    });
    std::fs::remove_file(disk.join("rest")).unwrap();
    std::fs::remove_file(disk.join("most")).unwrap();
    until(WAIT, "an order is taken again", || submit(&data_dir, &["A-4"]).code == Some(0));
    until(WAIT, "all orders are completed", || orders_in(&data_dir, "completed") == 3);
    assert_eq!(said(&service, "log can be written again"), 1, "{}", service.said());
    assert_eq!(said(&service, SAID), 1, "{}", service.said());
    assert_eq!(said(&service, "dead-letter"), 0, "{}", service.said());
    assert_eq!(service.stop(), Some(0), "the same process all the while");
    run(&data_dir, &["verify"]).ended(0);
}
