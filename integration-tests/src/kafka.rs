//! Real Kafka brokers on this machine, for tests: started from the libraries that `scripts/kafka.sh` fetches.
//!
//! A cluster may have one broker or three; each may be stopped, killed, held and started again, and all end with the test.
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::log::kafka::{self, Options};
use tempfile::TempDir;

use crate::process::root;

/// How long brokers may take to answer, on a machine that compiles meanwhile.
const START_WAIT: Duration = Duration::from_secs(120);
const STOP_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Any will do, the same for all brokers of a cluster.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
/// What runs a broker and ends it when this process ends, however it does: its standard input closes then.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
broker=$!
printf '%s' "$broker" >"$0.new" && mv "$0.new" "$0"
(cat <&3 >/dev/null; kill -9 "$broker" 2>/dev/null) &
exec 3<&-
wait "$broker"
"#;

/// What brokers are told beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Further listeners: name, and security protocol as Kafka calls it.
    pub listeners: Vec<(&'static str, &'static str)>,
    /// Lines of their settings.
    pub properties: String,
    /// Arguments of the formatting of their storage.
    pub format: Vec<String>,
}

/// One broker, which is also a controller.
#[derive(Debug)]
struct Broker {
    node: usize,
    port: u16,
    controller_port: u16,
    /// Of the further listeners, in their sequence.
    more_ports: Vec<u16>,
    folder: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    /// Closed, it ends the broker.
    _leash: ChildStdin,
    broker: Pid,
}

/// Brokers that know each other, below a folder of their own.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
    extra: Extra,
    folder: TempDir,
    jars: PathBuf,
}

impl Cluster {
    /// Starts `count` brokers and waits until they answer; topics get as many copies.
    ///
    /// # Panics
    /// Java or the libraries are not to be had, or the brokers do not answer in time.
    pub fn start(count: usize) -> Cluster {
        Cluster::start_with(count, Extra::default())
    }

    /// The same, of brokers that are told more.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_with(count: usize, extra: Extra) -> Cluster {
        let output =
            Command::new(root().join("scripts/kafka.sh")).output().expect("scripts/kafka.sh can be run");
        assert!(output.status.success(), "scripts/kafka.sh: {}", String::from_utf8_lossy(&output.stderr));
        let jars = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let folder = TempDir::new().expect("a temporary folder");
        let ports_each = 2 + extra.listeners.len();
        let ports = free_ports(ports_each * count);
        let brokers = ports
            .chunks(ports_each)
            .enumerate()
            .map(|(index, ports)| Broker {
                node: index + 1,
                port: ports[0],
                controller_port: ports[1],
                more_ports: ports[2..].to_vec(),
                folder: folder.path().join(format!("broker-{}", index + 1)),
                running: None,
            })
            .collect();
        let mut cluster = Cluster { brokers, extra, folder, jars };
        for index in 0..count {
            cluster.format(index);
        }
        for index in 0..count {
            cluster.launch(index);
        }
        cluster.await_answers();
        cluster
    }

    /// As clients name it.
    pub fn addresses(&self) -> String {
        let address = |broker: &Broker| format!("127.0.0.1:{}", broker.port);
        self.brokers.iter().map(address).collect::<Vec<_>>().join(",")
    }

    /// As clients name it that use one of the further listeners.
    ///
    /// # Panics
    /// There is no such listener.
    pub fn addresses_of(&self, listener: &str) -> String {
        let at = self.extra.listeners.iter().position(|(name, _)| *name == listener).expect("it is known");
        let address = |broker: &Broker| format!("127.0.0.1:{}", broker.more_ports[at]);
        self.brokers.iter().map(address).collect::<Vec<_>>().join(",")
    }

    /// How many brokers it has, running or not.
    pub fn size(&self) -> usize {
        self.brokers.len()
    }

    /// The port of a broker, counted from 0.
    pub fn port(&self, index: usize) -> u16 {
        self.brokers[index].port
    }

    /// One of Kafka's own tools, by the name of its class; or a program in one file, by its path.
    pub fn tool(&self, class: &str) -> Command {
        let (java, _) = self.java(0, "tool.log");
        let mut command = Command::new(&java[0]);
        command.args(&java[1..]).arg(class);
        command
    }

    /// Options of a log on it, with its state below `directory`.
    pub fn options(&self, directory: &Path) -> Options {
        let replication = u16::try_from(self.brokers.len()).expect("few brokers");
        Options { replication, ..Options::new(&self.addresses(), directory.to_owned()) }
    }

    /// Ends a broker politely.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn stop(&mut self, index: usize) {
        self.signal(index, Signal::SIGTERM);
        self.await_end(index);
    }

    /// Ends a broker as a power cut does.
    pub fn kill(&mut self, index: usize) {
        self.signal(index, Signal::SIGKILL);
        self.await_end(index);
    }

    /// Holds a broker: its connections stay, and nothing is answered.
    pub fn hold(&self, index: usize) {
        self.signal(index, Signal::SIGSTOP);
    }

    /// Lets a held broker go on.
    pub fn release(&self, index: usize) {
        self.signal(index, Signal::SIGCONT);
    }

    /// Starts a broker again that was stopped or killed, and waits until the cluster answers.
    pub fn restart(&mut self, index: usize) {
        assert!(self.brokers[index].running.is_none(), "it runs");
        self.launch(index);
        self.await_answers();
    }

    fn signal(&self, index: usize, signal: Signal) {
        let running = self.brokers[index].running.as_ref().expect("it runs");
        kill(running.broker, signal).expect("it is ours, and its keeper has not seen it end");
    }

    fn await_end(&mut self, index: usize) {
        let mut running = self.brokers[index].running.take().expect("it runs");
        let deadline = Instant::now() + STOP_WAIT;
        while running.keeper.try_wait().expect("it is our child").is_none() {
            assert!(Instant::now() < deadline, "broker did not end: {}", self.said(index));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn properties(&self, index: usize) -> String {
        let broker = &self.brokers[index];
        let voter = |one: &Broker| format!("{}@127.0.0.1:{}", one.node, one.controller_port);
        let voters = self.brokers.iter().map(voter).collect::<Vec<_>>().join(",");
        let (copies, in_sync) = (self.brokers.len(), self.brokers.len().div_ceil(2));
        let Broker { node, port, controller_port, folder, .. } = broker;
        let (mut listeners, mut protocols) = (String::new(), String::new());
        for ((name, protocol), port) in self.extra.listeners.iter().zip(&broker.more_ports) {
            listeners.push_str(&format!(",{name}://127.0.0.1:{port}"));
            protocols.push_str(&format!(",{name}:{protocol}"));
        }
        format!(
            "process.roles=broker,controller\n\
             node.id={node}\n\
             controller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listeners}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}\n\
             broker.session.timeout.ms=5000\n\
             broker.heartbeat.interval.ms=500\n\
             log.dirs={folder}/data\n\
             auto.create.topics.enable=false\n\
             default.replication.factor={copies}\n\
             min.insync.replicas={in_sync}\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor={copies}\n\
             transaction.state.log.num.partitions=4\n\
             transaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={in_sync}\n\
             transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
             group.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n\
             log.cleaner.backoff.ms=1000\n\
             log.cleaner.dedupe.buffer.size=8388608\n\
             num.network.threads=2\n\
             num.io.threads=4\n{more}",
            folder = folder.display(),
            more = self.extra.properties,
        )
    }

    fn java(&self, index: usize, log: &str) -> (Vec<String>, File) {
        let folder = &self.brokers[index].folder;
        let log =
            File::options().create(true).append(true).open(folder.join(log)).expect("log of the broker");
        let java = [
            "java",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            // The optimising compiler would take half a core for the first minutes.
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
        ];
        let mut command: Vec<String> = java.map(str::to_owned).to_vec();
        command.push(format!("{}/*", self.jars.display()));
        (command, log)
    }

    fn format(&self, index: usize) {
        let folder = &self.brokers[index].folder;
        std::fs::create_dir_all(folder).expect("the folder can be written");
        let properties = folder.join("server.properties");
        std::fs::write(&properties, self.properties(index)).expect("the folder can be written");
        let (java, log) = self.java(index, "format.log");
        let status = Command::new(&java[0])
            .args(&java[1..])
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(&properties)
            .args(&self.extra.format)
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .status()
            .expect("Java can be run");
        let said = std::fs::read_to_string(folder.join("format.log")).unwrap_or_default();
        assert!(status.success(), "broker could not be formatted: {said}");
    }

    fn launch(&mut self, index: usize) {
        let folder = self.brokers[index].folder.clone();
        let pid_file = folder.join("pid");
        let _ = std::fs::remove_file(&pid_file);
        let (java, log) = self.java(index, "broker.log");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(&pid_file)
            .args(java)
            .arg("kafka.Kafka")
            .arg(folder.join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("a shell can be run");
        let leash = keeper.stdin.take().expect("it is piped");
        let deadline = Instant::now() + START_WAIT;
        let broker = loop {
            if let Some(id) = std::fs::read_to_string(&pid_file).ok().and_then(|id| id.parse().ok()) {
                break Pid::from_raw(id);
            }
            let ended = keeper.try_wait().expect("it is our child");
            assert!(ended.is_none(), "broker ended instead of starting: {}", self.said(index));
            assert!(Instant::now() < deadline, "broker was not started");
            std::thread::sleep(Duration::from_millis(5));
        };
        self.brokers[index].running = Some(Running { keeper, _leash: leash, broker });
    }

    /// Until all that run are known to the cluster.
    fn await_answers(&mut self) {
        let deadline = Instant::now() + START_WAIT;
        let options = self.options(self.folder.path());
        loop {
            for index in 0..self.brokers.len() {
                if let Some(running) = &mut self.brokers[index].running {
                    let ended = running.keeper.try_wait().expect("it is our child");
                    assert!(ended.is_none(), "broker ended: {}", self.said(index));
                }
            }
            // Whoever asks where nobody listens waits long, and does not see meanwhile that a broker has ended.
            if self.running().all(is_listening)
                && kafka::brokers(&options).is_ok_and(|known| known >= self.running().count())
            {
                return;
            }
            assert!(Instant::now() < deadline, "brokers do not answer: {}", self.said(0));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Those that are not stopped.
    fn running(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter().filter(|broker| broker.running.is_some())
    }

    /// What a broker has logged.
    pub fn said(&self, index: usize) -> String {
        std::fs::read_to_string(self.brokers[index].folder.join("broker.log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &mut self.brokers {
            if let Some(mut running) = broker.running.take() {
                // It may have ended by itself; a held one ends by this too.
                let _ = kill(running.broker, Signal::SIGKILL);
                let _ = running.keeper.wait();
            }
        }
    }
}

fn is_listening(broker: &Broker) -> bool {
    TcpStream::connect(("127.0.0.1", broker.port)).is_ok()
}

/// Ports that are free now; all are taken before any is given back, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let taken: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    taken.iter().map(|port| port.local_addr().expect("it is bound").port()).collect()
}
