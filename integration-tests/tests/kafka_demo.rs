//! What a newcomer runs first: the demonstration on Kafka, with the broker and the registry that it starts and ends by itself.
use std::net::TcpStream;
use std::process::{Command, Stdio};

use integration_tests::process::{Said, binary, root};
use tempfile::TempDir;

const ORDERS: &str = "40";

#[test]
fn the_demonstration_on_kafka_brings_its_own_broker_and_is_judged() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let mut demo = Command::new(root().join("scripts/kafka-demo.sh"));
    demo.current_dir(root()).stdin(Stdio::null());
    demo.env("ORDERSTREAM_BIN", binary()).env("ORDERSTREAM__GATEWAY__LISTEN", "");
    // What the environment names is used instead.
    for named in ["ORDERSTREAM__KAFKA__BROKERS", "ORDERSTREAM__REGISTRY__URL"] {
        demo.env_remove(named);
    }
    demo.args(["demo", "--orders", ORDERS, "--faults", "0.1", "--seed", "7", "--data-dir"]).arg(&data_dir);
    let said = Said::from(demo.output().unwrap()).ended(0);
    for (begins, what) in
        [("a Kafka broker runs at ", "broker"), ("a schema registry runs at http://", "registry")]
    {
        let address = said.out.lines().find_map(|line| line.strip_prefix(begins));
        let address = address.unwrap_or_else(|| panic!("no {what}: {said:?}"));
        assert!(TcpStream::connect(address).is_err(), "the {what} has ended with it");
    }
    let verdict = "every order ended as the oracle says, and every effect is there once";
    assert!(said.out.contains(verdict), "{said:?}");
}
