//! A system: what its processes have in common, and each of them with a settings file and a data directory of its own.
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cli::settings::Settings;
use topology::SubTopology;

use crate::kafka::Cluster;
use crate::process::{Said, Service, binary, root, until};
use crate::work;

/// A worker that was killed is noticed after this; what is under way in its partitions waits that long.
pub const SESSION: Duration = Duration::from_secs(2);
/// How long a process may take to join, on a machine that is busy.
pub const JOIN_WAIT: Duration = Duration::from_secs(60);
const ON_KAFKA: &str = "kind = \"kafka\"";
const EMBEDDED: &str = "kind = \"embedded\"\ndurability = \"os\"";

/// What all processes of a system are told.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where each has its file and its directory, and where the scenario of the simulated systems is.
    pub folder: PathBuf,
    /// Which log it is, as the table log says it. What follows about a cluster is of no effect where it is on none.
    pub log: &'static str,
    pub brokers: String,
    pub copies: usize,
    pub registry: String,
    /// Of its topics and groups; several systems may share a cluster.
    pub prefix: String,
    pub partitions: u32,
    /// All durations of the catalog are so much shorter, and cut to some seconds.
    pub time_divisor: u32,
    /// Further settings: of the table kafka, and behind them other tables.
    pub more: String,
    /// What is only taken from the environment.
    pub environment: Vec<(String, String)>,
}

impl Site {
    pub fn new(folder: &Path, cluster: &Cluster, registry: &str, prefix: &str) -> Site {
        Site {
            log: ON_KAFKA,
            brokers: cluster.addresses(),
            copies: cluster.size(),
            registry: registry.to_owned(),
            prefix: prefix.to_owned(),
            ..Site::embedded(folder)
        }
    }

    /// A system of one process, whose log is in its data directory.
    pub fn embedded(folder: &Path) -> Site {
        Site {
            folder: folder.to_owned(),
            log: EMBEDDED,
            brokers: String::new(),
            copies: 1,
            registry: String::new(),
            prefix: String::new(),
            partitions: 8,
            time_divisor: 100,
            more: String::new(),
            environment: Vec::new(),
        }
    }

    /// The same, with its processors in these groups.
    pub fn grouped(&self, groups: &[SubTopology]) -> Site {
        let mut more = self.more.clone();
        for group in groups {
            let processors: Vec<&str> = group.processors.iter().map(|processor| processor.name()).collect();
            let (name, workers) = (&group.name, group.workers);
            more.push_str(&format!(
                "[[subtopology]]\nname = {name:?}\nprocessors = {processors:?}\nworkers = {workers}\n"
            ));
        }
        Site { more, ..self.clone() }
    }

    /// One of its processes, its settings written anew. `simulated`: the downstream runs here, and its ledger is here.
    ///
    /// # Panics
    /// The folder cannot be written.
    pub fn node(&self, name: &str, simulated: bool) -> Node {
        let (file, data_dir) = (self.folder.join(format!("{name}.toml")), self.folder.join(name));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let Site { log, brokers, copies, registry, prefix, partitions, time_divisor, more, .. } = self;
        let text = format!(
            "[node]\nname = {name:?}\ndata_dir = {data_dir:?}\n[log]\n{log}\npartitions = {partitions}\n\
             [registry]\nurl = {registry:?}\n\
             [catalog]\ndirectory = {:?}\ntime_divisor = {time_divisor}\nduration_ms_max = 8000\n\
             [downstream]\nsimulated = {simulated}\nscenario = {:?}\n[gateway]\nlisten = \"127.0.0.1:{port}\"\n\
             [logging]\nlevel = \"info\"\n\
             [kafka]\nbrokers = {brokers:?}\nprefix = {prefix:?}\nreplication = {copies}\nsession_timeout_ms = {}\n{more}",
            root().join("config/catalog"),
            work::scenario(&self.folder),
            SESSION.as_millis(),
        );
        std::fs::write(&file, text).expect("the folder can be written");
        Node { file, data_dir, port, environment: self.environment.clone() }
    }
}

/// A process of a system: its settings file, its data directory, and where it listens.
#[derive(Clone, Debug)]
pub struct Node {
    pub file: PathBuf,
    pub data_dir: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
}

impl Node {
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(root()).arg("--config").arg(&self.file).args(arguments);
        // Several listen, each where its file says.
        command.env_remove("ORDERSTREAM__GATEWAY__LISTEN");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A command to its end.
    ///
    /// # Panics
    /// The binary is not built.
    pub fn said(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the binary is built before").into()
    }

    #[track_caller]
    pub fn start(&self) -> Service {
        Service::start(self.command(&["run"]), &self.data_dir)
    }

    /// # Panics
    /// Its file is not as it must be.
    pub fn settings(&self) -> Settings {
        // Read here as there: whoever tests may have silenced the socket for all.
        Settings::load(Some(&self.file)).expect("its settings are right")
    }

    /// What it tells of itself; nothing where it does not run.
    pub fn metrics(&self) -> String {
        let page = reqwest::blocking::get(format!("http://127.0.0.1:{}/metrics", self.port));
        page.and_then(|page| page.text()).unwrap_or_default()
    }

    /// The sum of all its samples that begin so.
    pub fn metric(&self, beginning: &str) -> f64 {
        let page = self.metrics();
        let samples = page.lines().filter(|line| line.starts_with(beginning));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// How many partitions its workers have.
    pub fn partitions(&self) -> u64 {
        self.metric("orderstream_assigned_partitions{") as u64
    }
}

/// Waits until each of them has partitions.
///
/// # Panics
/// One of them has none in time.
#[track_caller]
pub fn until_all_have_partitions(nodes: &[&Node]) {
    until(JOIN_WAIT, "all have partitions", || nodes.iter().all(|node| node.partitions() > 0));
}

/// Waits until they share so many partitions: each has some, and none is two's. A process that was held has them all the while, as far as
/// it knows.
///
/// # Panics
/// They do not in time.
#[track_caller]
pub fn until_shared(nodes: &[&Node], partitions: u64) {
    until(JOIN_WAIT, "they share all partitions", || {
        let counts: Vec<u64> = nodes.iter().map(|node| node.partitions()).collect();
        counts.iter().all(|count| *count > 0) && counts.iter().sum::<u64>() == partitions
    });
}
