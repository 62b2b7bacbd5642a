//! A broker that asks who comes: by certificate (mTLS), or by password over TLS (SCRAM-SHA-512). With what it wants, and the rights that
//! the documentation lists, all goes as without. Plays: a wrong password, a broker that nobody vouches for, no certificate, and rights
//! that are missing, one kind after the other: each is said in one clear line.
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use integration_tests::process::{orders_in, submit, until};
use integration_tests::registry::Registry;
use integration_tests::secured::{BY_CERTIFICATE, BY_PASSWORD, PASSWORD, Secured};
use integration_tests::site::{Node, Site};
use integration_tests::work;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(60);
/// Far less than brokers that do not answer are waited for.
const REFUSED_WITHIN: Duration = Duration::from_secs(15);
const DONE: i32 = 0;
const FAILED: i32 = 1;
const REFUSED: i32 = 3;

static SECURED: LazyLock<Secured> = LazyLock::new(Secured::start);
static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::start);

/// What a service may do that runs, makes its topics and regroups its processors, where all its names begin so: as
/// docs/operations.md lists it.
fn rights(front: &str) -> Vec<(&'static str, &str, &'static str)> {
    vec![
        ("TOPIC", front, "CREATE"),
        ("TOPIC", front, "DESCRIBE"),
        ("TOPIC", front, "DESCRIBE_CONFIGS"),
        ("TOPIC", front, "READ"),
        ("TOPIC", front, "WRITE"),
        ("GROUP", front, "READ"),
        ("GROUP", front, "DELETE"),
        ("TRANSACTIONAL_ID", front, "DESCRIBE"),
        ("TRANSACTIONAL_ID", front, "WRITE"),
    ]
}

/// A site on the broker that shows nothing of itself yet; its scenario is planted.
fn site(folder: &Path, prefix: &str) -> Site {
    let site = Site::new(folder, &SECURED.cluster, &REGISTRY.url(), prefix);
    let plain = site.node("plain", false);
    work::plant(folder, 1, &work::generator(1, 1, 0.0), &plain.settings());
    plain.said(&["schemas", "register"]).ended(DONE);
    site
}

fn by_certificate(folder: &Path, prefix: &str) -> Site {
    let [authority, certificate, key] =
        ["authority.pem", "orders.pem", "orders.key"].map(|name| SECURED.file(name));
    let more = format!(
        "security = \"SSL\"\nauthority_file = {authority:?}\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n"
    );
    Site { brokers: SECURED.cluster.addresses_of(BY_CERTIFICATE), more, ..site(folder, prefix) }
}

fn by_password(folder: &Path, prefix: &str, user: &str, password: &str) -> Site {
    let more = format!(
        "security = \"SASL_SSL\"\nuser = {user:?}\nauthority_file = {:?}\n",
        SECURED.file("authority.pem")
    );
    let environment = vec![("ORDERSTREAM__KAFKA__PASSWORD".to_owned(), password.to_owned())];
    let brokers = SECURED.cluster.addresses_of(BY_PASSWORD);
    Site { brokers, more, environment, ..site(folder, prefix) }
}

/// Topics are made, the service runs, and an order ends.
#[track_caller]
fn check_well(node: &Node) {
    node.said(&["topics", "create"]).ended(DONE);
    let service = node.start();
    submit(&node.data_dir, &["S-1"]).ended(DONE);
    until(WAIT, "the order is completed", || orders_in(&node.data_dir, "completed") == 1);
    node.said(&["doctor"]).ended(DONE);
    assert_eq!(service.stop(), Some(DONE));
}

/// Both say why in one line that has all of these in it, and soon.
#[track_caller]
fn check_refused(node: &Node, expected: &[&str]) {
    for arguments in [&["topics", "create"][..], &["run"]] {
        check_says(node, arguments, FAILED, expected);
    }
    let doctor = node.said(&["doctor"]).ended(REFUSED);
    assert!(expected.iter().any(|expected| doctor.out.contains(expected)), "{doctor:?}");
}

#[track_caller]
fn check_says(node: &Node, arguments: &[&str], code: i32, expected: &[&str]) {
    let asked = Instant::now();
    let said = node.said(arguments).ended(code);
    let took = asked.elapsed();
    assert!(took < REFUSED_WITHIN, "{arguments:?} took {took:?}: {said:?}");
    let lines: Vec<&str> = said.err.lines().filter(|line| !line.contains(" INFO ")).collect();
    let [line] = lines.as_slice() else { panic!("one line: {said:?}") };
    assert!(line.starts_with("orderstream: "), "{line}");
    for expected in expected {
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    assert!(!said.err.contains(PASSWORD), "{said:?}");
}

#[test]
fn who_has_a_certificate_is_let_in() {
    let folder = TempDir::new().unwrap();
    SECURED.allow("User:CN=orders", &rights("mtls."));
    check_well(&by_certificate(folder.path(), "mtls.").node("node", true));
}

#[test]
fn who_knows_the_password_is_let_in() {
    let folder = TempDir::new().unwrap();
    SECURED.allow("User:orders", &rights("scram."));
    check_well(&by_password(folder.path(), "scram.", "orders", PASSWORD).node("node", true));
}

#[test]
fn who_does_not_know_the_password_is_told_so() {
    let folder = TempDir::new().unwrap();
    let site = by_password(folder.path(), "wrong.", "orders", "guessed");
    check_refused(&site.node("node", true), &["see the security settings", "Authentication failed"]);
}

#[test]
fn a_broker_that_nobody_vouches_for_is_not_talked_to() {
    let folder = TempDir::new().unwrap();
    let mut site = by_password(folder.path(), "unknown.", "orders", PASSWORD);
    site.more = site.more.replace("authority.pem", "another-authority.pem");
    check_refused(&site.node("node", true), &["see the security settings", "certificate verify failed"]);
}

#[test]
fn who_has_no_certificate_where_one_is_wanted_is_told_so() {
    let folder = TempDir::new().unwrap();
    let mut site = by_certificate(folder.path(), "none.");
    site.more = format!("security = \"SSL\"\nauthority_file = {:?}\n", SECURED.file("authority.pem"));
    check_refused(&site.node("node", true), &["see the security settings", "certificate"]);
}

#[test]
fn rights_that_are_missing_are_named_one_kind_after_the_other() {
    let folder = TempDir::new().unwrap();
    let node = by_password(folder.path(), "acl.", "stranger", PASSWORD).node("node", true);
    let allow = |kind: &str| {
        let rights: Vec<_> = rights("acl.").into_iter().filter(|right| right.0 == kind).collect();
        SECURED.allow("User:stranger", &rights);
    };
    // Somebody else has made them.
    site(folder.path(), "acl.").node("maker", false).said(&["topics", "create"]).ended(DONE);
    let check = node.said(&["topics", "create", "--check"]).ended(REFUSED);
    assert!(
        check.out.contains("topic \"acl.orderstream.order.events\": access is refused to this user"),
        "{check:?}"
    );
    check_says(&node, &["topics", "create"], FAILED, &["acl.orderstream.", "uthorization"]);
    check_says(&node, &["run"], FAILED, &["acl.orderstream.order.events", "access is refused to this user"]);
    allow("TOPIC");
    node.said(&["topics", "create"]).ended(DONE);
    check_says(&node, &["run"], FAILED, &["Transactional Id authorization failed"]);
    allow("TRANSACTIONAL_ID");
    // It starts, and ends as soon as a worker is refused.
    let run = node.said(&["run"]).ended(FAILED);
    assert!(run.err.lines().any(|line| line.starts_with("orderstream: ")), "{run:?}");
    assert!(run.err.contains(" is refused: ") && run.err.contains("Group authorization failed"), "{run:?}");
    allow("GROUP");
    check_well(&node);
}

/// The client says once that it may not read, and then tries for ever: whoever waited for records would wait for ever, too.
#[test]
fn who_may_do_everything_but_read_is_told_so() {
    let folder = TempDir::new().unwrap();
    let node = by_password(folder.path(), "deaf.", "stranger", PASSWORD).node("node", true);
    let reading = ("TOPIC", "deaf.", "READ");
    let others: Vec<_> = rights("deaf.").into_iter().filter(|right| *right != reading).collect();
    SECURED.allow("User:stranger", &others);
    node.said(&["topics", "create"]).ended(DONE);
    let refused = "reading is refused to this user, who needs READ on each of: deaf.orderstream.";
    let run = node.said(&["run"]).ended(FAILED);
    assert!(run.err.contains(refused), "{run:?}");
    let doctor = node.said(&["doctor"]).ended(REFUSED);
    assert!(doctor.out.contains("needs READ on each of: deaf.orderstream."), "{doctor:?}");
    // By now there is a grouping to be read before anything starts.
    let run = node.said(&["run"]).ended(FAILED);
    assert!(run.err.lines().any(|line| line.starts_with(&format!("orderstream: {refused}"))), "{run:?}");
    // All but the state of the workers.
    let fronts = ["bi", "ca", "co", "de", "do", "fe", "he", "no", "or", "pr"];
    let fronts = fronts.map(|name| format!("deaf.orderstream.{name}"));
    SECURED.allow("User:stranger", &fronts.each_ref().map(|front| ("TOPIC", &**front, "READ")));
    let run = node.said(&["run"]).ended(FAILED);
    assert!(run.err.contains("who needs READ on each of: deaf.orderstream.changelog."), "{run:?}");
    SECURED.allow("User:stranger", &[reading]);
    check_well(&node);
}
