use std::ffi::OsString;

use super::load::{Error, Origin, Sources};
use super::*;

/// The findings of a file, with these variables and options.
fn findings(
    text: &str,
    variables: &[(&str, &str)],
    options: &[(&'static str, &'static str, &str)],
) -> Vec<String> {
    match loaded(text, variables, options) {
        Ok(_) => Vec::new(),
        Err(Error::Findings(findings)) => findings.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

fn loaded(
    text: &str,
    variables: &[(&str, &str)],
    options: &[(&'static str, &'static str, &str)],
) -> Result<Loaded, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("o.toml");
    std::fs::write(&path, text).unwrap();
    let os = |text: &&str| OsString::from(*text);
    let sources = Sources {
        file: Some(path.clone()),
        variables: variables.iter().map(|(name, value)| (os(name), os(value))).collect(),
        options: options.iter().map(|(key, option, value)| (*key, *option, (*value).to_owned())).collect(),
    };
    let shortened = |place: &mut Origin| {
        if let Origin::File { path, .. } = place {
            *path = "o.toml".into();
        }
    };
    let mut read = Settings::load_from(&sources);
    match &mut read {
        Ok(loaded) => loaded.read.values.values_mut().for_each(|(_, origin)| shortened(origin)),
        Err(Error::Findings(findings)) => findings.iter_mut().for_each(|found| shortened(&mut found.place)),
        Err(Error::Unreadable { .. }) => {}
    }
    read
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(findings(text, &[], &[]), expected, "{text}");
}

#[test]
fn the_shipped_file_is_complete_and_holds_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/orderstream.toml");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == reference::file(), "config/orderstream.toml is stale; `make doc` writes it anew");
    let sources = Sources { file: Some(path.into()), ..Sources::default() };
    let shipped = Settings::load_from(&sources).unwrap();
    for key in keys::KEYS {
        let (value, origin) = &shipped.read.values[key.name];
        assert_eq!(*value, key.default_value(), "{}", key.name);
        assert!(matches!(origin, Origin::File { .. }), "{} is not in the file", key.name);
    }
    assert_eq!(shipped.settings.subtopologies, SubTopology::defaults());
    assert!(matches!(shipped.read.groups_origin[..], [Origin::File { .. }, ..]));
}

#[test]
fn keys_and_fields_are_the_same() {
    let settings = Settings::default();
    assert_eq!((settings.log.partitions, settings.gateway.listen.as_str()), (8, "127.0.0.1:9464"));
}

#[test]
fn every_finding_is_said_at_once_with_its_line_and_what_would_be_right() {
    check(
        "[log]\npartitions = 0\ndurabilty = \"os\"\nkind = 3\n\n[lgo]\nx = 1\n[gateway]\nlisten = \"here\"\n",
        &[
            "o.toml:2: log.partitions is 0, expected a whole number from 1 to 256",
            "o.toml:3: there is no setting log.durabilty; did you mean log.durability?",
            "o.toml:4: log.kind is a whole number, expected \"embedded\" or \"kafka\"",
            "o.toml:6: there is no section [lgo]; did you mean [log]?",
            "o.toml:9: gateway.listen is \"here\", expected an IP address with a port, as \"127.0.0.1:9464\", or \"\"",
        ],
    );
}

#[test]
fn what_is_outside_or_of_another_kind_is_found() {
    check("partitions = 8\n", &["o.toml:1: partitions stands outside any section; put it below [log]"]);
    check("log = 8\n", &["o.toml:1: log is a section; write [log]"]);
    check(
        "[log]\npartitions = 8.5\n",
        &["o.toml:2: log.partitions is a number with a fraction, expected a whole number from 1 to 256"],
    );
    check(
        "[log]\npartitions = 99999999999999999999\n",
        &["o.toml:2: log.partitions is 99999999999999999999, expected a whole number from 1 to 256"],
    );
    check(
        "[node]\npartitions = 1\n",
        &["o.toml:2: there is no setting node.partitions; did you mean log.partitions?"],
    );
    check(
        "[node]\nkafka = 1\n",
        &["o.toml:2: there is no setting node.kafka; `orderstream config show` names all there are"],
    );
    check(
        "[projection]\nurl = \"mysql://me:secret@host/db\"\n",
        &[
            "o.toml:2: projection.url is \"mysql://me:...@host/db\", expected an address that begins with \"sqlite://\" or \"postgres://\", or \"\"",
        ],
    );
    check(
        "[heartbeat]\ninterval_ms = 90000\n[readiness]\nheartbeat_age_ms_max = 90000\n",
        &[
            "o.toml:4: readiness.heartbeat_age_ms_max is 90000, it must be more than heartbeat.interval_ms, which is 90000",
        ],
    );
}

#[test]
fn a_file_that_is_no_toml_is_said_so_with_its_line() {
    let found = findings("[log]\npartitions = \n", &[], &[]);
    assert!(found[0].starts_with("o.toml:2: not TOML: "), "{found:?}");
    let found = findings("[log]\nkind = \"embedded\"\nkind = \"embedded\"\n", &[], &[]);
    assert!(found.len() == 1 && found[0].starts_with("o.toml:3: not TOML: "), "{found:?}");
}

#[test]
fn subtopologies_are_read_and_what_is_wrong_with_them_is_found() {
    let split: Vec<String> = SubTopology::split()
        .iter()
        .map(|group| {
            let name = group.processors[0].name();
            format!("[[subtopology]]\nname = \"{name}\"\nprocessors = [\"{name}\"]\nworkers = 1\n")
        })
        .collect();
    assert_eq!(loaded(&split.concat(), &[], &[]).unwrap().settings.subtopologies, SubTopology::split());
    check(
        &split[1..].concat(),
        &["o.toml:1: processor \"capture\" is in no subtopology; each must be in exactly one"],
    );
    check(
        "[[subtopology]]\nname = \"a b\"\nprocessors = [\"captur\", 3]\nworker = 1\n",
        &[
            "o.toml:1: this subtopology has no workers",
            "o.toml:2: subtopology.name is \"a b\", expected 1 to 64 letters, digits, - and _",
            "o.toml:3: there is no processor \"captur\"; did you mean \"capture\"?",
            "o.toml:3: a processor is a whole number, expected its name",
            "o.toml:4: there is no setting subtopology.worker; did you mean workers?",
        ],
    );
    check("subtopology = 3\n", &["o.toml:1: subtopology is a list of tables; write [[subtopology]]"]);
}

/// The defaults, with so many workers each.
fn with_workers(workers: [&str; 3]) -> String {
    let tables = SubTopology::defaults().into_iter().zip(workers).map(|(group, workers)| {
        let names: Vec<&str> = group.processors.iter().map(|processor| processor.name()).collect();
        format!("[[subtopology]]\nname = {:?}\nprocessors = {names:?}\nworkers = {workers}\n", group.name)
    });
    tables.collect()
}

#[test]
fn a_sub_topology_may_be_left_to_other_processes_where_there_can_be_others() {
    let kafka = "[node]\nname = \"a\"\n[log]\nkind = \"kafka\"\n[registry]\nurl = \"http://r:8081\"\n[kafka]\nbrokers = \"b:9092\"\n";
    for (shown, workers) in [(["0", "3", "0"], [0, 3, 0]), (["0", "0", "0"], [0, 0, 0])] {
        let loaded = loaded(&format!("{kafka}{}", with_workers(shown)), &[], &[]).unwrap();
        let groups = loaded.settings.subtopologies;
        assert_eq!(groups.iter().map(|group| group.workers).collect::<Vec<_>>(), workers);
        // Which groups there are is the same on all machines.
        assert!(topology::regroup::Grouping::first(&SubTopology::defaults()).is(&groups));
    }
    check(
        &with_workers(["0", "1", "0"]),
        &[
            "o.toml:1: subtopology \"orders\" has workers = 0, and log.kind is \"embedded\": that log has one process, so nobody would do its work; expected 1 to 64",
            "o.toml:9: subtopology \"downstreams\" has workers = 0, and log.kind is \"embedded\": that log has one process, so nobody would do its work; expected 1 to 64",
        ],
    );
    // Whoever says last which log it is.
    let text = format!("{kafka}{}", with_workers(["1", "0", "1"]));
    let found = findings(&text, &[("ORDERSTREAM__LOG__KIND", "embedded")], &[]);
    assert!(found.len() == 1 && found[0].contains("\"products\" has workers = 0"), "{found:?}");
    check(
        &format!("{kafka}{}", with_workers(["-1", "65", "\"2\""])),
        &[
            "o.toml:12: subtopology.workers is -1, expected a whole number from 0 to 64",
            "o.toml:16: subtopology.workers is 65, expected a whole number from 0 to 64",
            "o.toml:20: subtopology.workers is a text, expected a whole number from 0 to 64",
        ],
    );
}

#[test]
fn a_cluster_needs_brokers_a_registry_and_a_name_and_passwords_only_come_from_the_environment() {
    check(
        "[log]\nkind = \"kafka\"\n",
        &[
            "o.toml:2: log.kind is \"kafka\", and kafka.brokers is not set: the brokers of the cluster, as \"host:9092\"",
            "o.toml:2: log.kind is \"kafka\", and registry.url is not set: the schema registry, as \"http://host:8081\"",
            "o.toml:2: log.kind is \"kafka\", and node.name is not set: a name of this process that no other on the cluster has",
        ],
    );
    let whole = "[node]\nname = \"a\"\n[log]\nkind = \"kafka\"\n[registry]\nurl = \"http://r:8081\"\n[kafka]\nbrokers = \"b:9092\"\n";
    check(whole, &[]);
    check(
        &format!("{whole}security = \"SASL_SSL\"\nuser = \"me\"\ncertificate_file = \"c.pem\"\n"),
        &[
            "o.toml:9: kafka.security is \"SASL_SSL\", and kafka.password is not set",
            "o.toml:11: kafka.certificate_file is set, and kafka.key_file is not; mTLS needs both",
        ],
    );
    check(
        &format!("{whole}user = \"me\"\n"),
        &["o.toml:9: kafka.user is set, and kafka.security is \"PLAINTEXT\", which uses none"],
    );
    check(
        &format!("{whole}password = \"hunter2\"\n"),
        &[
            "o.toml:9: kafka.password stands in a file, which is no place for a password; set ORDERSTREAM__KAFKA__PASSWORD",
        ],
    );
    let secured = format!("{whole}security = \"SASL_SSL\"\nuser = \"me\"\n");
    let loaded = loaded(&secured, &[("ORDERSTREAM__KAFKA__PASSWORD", "hunter2")], &[]).unwrap();
    assert!(!format!("{:?}", loaded.settings).contains("hunter2"));
    let password = keys::key("kafka.password").unwrap();
    assert_eq!(password.shown(&loaded.read.values["kafka.password"].0), "...");
    let options = loaded.settings.kafka_options();
    assert!(matches!(options.connection.security, runtime::log::kafka::Security::SaslTls(..)));
    // What is said of a cluster that is not used is of no effect, and may stand ready.
    check("[kafka]\nuser = \"me\"\n", &[]);
}

#[test]
fn the_environment_comes_after_the_file_and_the_command_line_last() {
    let variables = [("ORDERSTREAM__NODE__DATA_DIR", "b"), ("ORDERSTREAM__DOWNSTREAM__SIMULATED", "false")];
    let options = [("node.data_dir", "--data-dir", "c")];
    let loaded = loaded("[node]\ndata_dir = \"a\"\n\nstop_wait_ms = 5_000\n", &variables, &options).unwrap();
    assert_eq!(loaded.settings.node.data_dir, Path::new("c"));
    let origin = |name: &str| loaded.read.values[name].1.to_string();
    assert_eq!(origin("node.data_dir"), "--data-dir");
    assert_eq!(origin("node.stop_wait_ms"), "o.toml:4");
    assert_eq!(origin("downstream.simulated"), "ORDERSTREAM__DOWNSTREAM__SIMULATED");
    assert_eq!(origin("log.kind"), "default");
}

#[test]
fn misspelt_variables_are_refused_and_those_of_others_are_not() {
    let variables = [
        ("ORDERSTREAM__LOG__PARTITONS", "8"),
        ("ORDERSTREAM_LOG_DURABILITY", "os"),
        ("ORDERSTREAM__LOG__PARTITIONS", "eight"),
        ("ORDERSTREAM__SUBTOPOLOGY__WORKERS", "8"),
        ("ORDERSTREAM_CACHE", "elsewhere"),
        ("ORDERSTREAM_CONFIG", "x.toml"),
        ("PATH", "/bin"),
    ];
    assert_eq!(
        findings("", &variables, &[]),
        [
            "ORDERSTREAM__LOG__PARTITONS: is no setting; did you mean ORDERSTREAM__LOG__PARTITIONS?",
            "ORDERSTREAM_LOG_DURABILITY: is no setting; did you mean ORDERSTREAM__LOG__DURABILITY?",
            "ORDERSTREAM__LOG__PARTITIONS: log.partitions is \"eight\", expected a whole number from 1 to 256",
            "ORDERSTREAM__SUBTOPOLOGY__WORKERS: sub-topologies are set in the file alone",
        ]
    );
}

#[test]
fn a_file_that_is_not_there_or_a_folder_is_unreadable() {
    for path in ["/nowhere/o.toml", "/"] {
        let sources = Sources { file: Some(path.into()), ..Sources::default() };
        assert!(matches!(Settings::load_from(&sources), Err(Error::Unreadable { .. })), "{path}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[|\\]|\\[\\[|=|\n|\"|'|,|\\.|log|subtopology|name|processors|workers|partitions|8|-1|1e5|true|#|\\\\u|é){0,40}") {
        let _ = loaded(&text, &[], &[]);
    }
}
