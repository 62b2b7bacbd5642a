//! Plays: a kill at any instruction. The real binary is killed with SIGKILL again and again while it works on orders with
//! planted faults; afterwards every order stands where the oracle says, and every effect of the downstream is there once,
//! under one command id.
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::settings::Settings;
use integration_tests::budget;
use integration_tests::process::{Service, binary, root};
use integration_tests::work::{self, settle, submit};

const FAULT_RATE: f64 = 0.1;
const SEED: u64 = 20;

/// The settings file of the service; the catalog's durations shortened as in the demonstration.
fn configure(directory: &Path) -> (PathBuf, Settings) {
    let file = directory.join("orderstream.toml");
    let text = format!(
        "[node]\ndata_dir = {:?}\n[catalog]\ndirectory = {:?}\ntime_divisor = 200\nduration_ms_max = 4000\n\
         [downstream]\nscenario = {:?}\n[gateway]\nlisten = \"\"\n[logging]\nlevel = \"error\"\n",
        directory.join("data"),
        root().join("config/catalog"),
        work::scenario(directory),
    );
    std::fs::write(&file, text).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    (file, settings)
}

fn start(file: &Path, settings: &Settings) -> Service {
    let mut command = Command::new(binary());
    command.current_dir(root()).arg("--config").arg(file).arg("run");
    Service::start(command, &settings.node.data_dir)
}

#[test]
fn every_order_and_every_effect_is_accounted_for_after_many_kills() {
    let budget = budget::of("kill");
    let kept = tempfile::Builder::new().prefix("orderstream-kill-").tempdir().unwrap().keep();
    let generator = work::generator(SEED, budget.orders, FAULT_RATE);
    let oracle = generator.oracle();
    let (file, settings) = configure(&kept);
    work::plant(&kept, SEED, &generator, &settings);
    let submissions: Vec<_> = generator.submissions().collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Kills come after uneven numbers of requests, with whatever is under way at that moment.
    let chunk = submissions.len() / (budget.times + 1);
    let mut sent = 0;
    for round in 0..budget.times {
        let service = start(&file, &settings);
        let until = (round + 1) * chunk - (round * 7) % chunk.min(40);
        tokio.block_on(submit(&settings, &submissions[sent..until]));
        sent = until;
        service.kill();
    }
    let service = start(&file, &settings);
    tokio.block_on(submit(&settings, &submissions[sent..]));
    tokio.block_on(settle(&settings, &oracle));
    assert_eq!(service.stop(), Some(0), "SIGTERM ends it politely, and it had not ended by itself");
    work::judge(&settings, &oracle);
    std::fs::remove_dir_all(kept).unwrap();
}
