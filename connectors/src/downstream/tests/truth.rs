//! One id is one effect, and a query says what became of it.
use domain::Json;

use super::*;

#[test]
fn a_command_received_again_is_one_effect() {
    let mut bench = Bench::new(scenario(""));
    let first = command("O", "activate", 1);
    bench.send(&first, 0);
    assert_eq!(bench.rest(), ["2 Accepted", "10 Completed"]);
    bench.send(&first, 20);
    assert_eq!(bench.rest(), Vec::<String>::new(), "a redelivery is not a sending");
    assert_eq!(shown(&bench.send(&command("O", "activate", 2), 30)), ["30 Completed"]);
    let entry = bench.downstream.ledger().entry(first.command_id).unwrap().unwrap();
    assert_eq!(
        (entry.received, entry.attempts, entry.tries, entry.applied_at),
        (3, 2, 2, Some(Timestamp(0)))
    );
    let audit = bench.audit();
    assert_eq!((audit.effects, audit.resent, audit.redelivered, audit.findings), (1, 1, 1, vec![]));
}

#[test]
fn the_same_id_twice_in_one_batch_is_one_effect() {
    let mut bench = Bench::new(scenario(""));
    let both = [command("O", "activate", 1), command("O", "activate", 2)];
    bench.downstream.receive(&both, Timestamp(0)).unwrap();
    bench.send(&command("P", "activate", 1), 0);
    bench.send(&command("P", "configure", 1), 0);
    assert_eq!(bench.rest().iter().filter(|line| **line == "10 Completed").count(), 4);
    let counts = bench.downstream.ledger().effects_by_order().unwrap();
    let one = |name: &str| (name.to_owned(), 1);
    assert_eq!(counts[&OrderKey::from("O")], [one("activate")].into());
    assert_eq!(counts[&OrderKey::from("P")], [one("activate"), one("configure")].into());
}

#[track_caller]
fn check_query(fault: &str, asked_at: i64, expected: &str) {
    let mut bench = Bench::new(with_fault(fault));
    let sent = command("O", "activate", 1);
    bench.send(&sent, 0);
    bench.rest();
    let answers = bench.send(&query(&sent), asked_at);
    assert_eq!(shown(&answers), [format!("{asked_at} {expected}")], "{fault}");
    let completed = answers[0].kind == FeedbackKind::Completed;
    assert_eq!(answers[0].outputs.len(), if completed { 2 } else { 0 });
}

#[test]
fn a_query_tells_the_truth() {
    check_query(r#"{ kind = "silentButDone" }"#, 9, "InProgress");
    check_query(r#"{ kind = "silentButDone" }"#, 10, "Completed");
    check_query(r#"{ kind = "lost", times = 1 }"#, 10, "NotKnown");
    check_query(r#"{ kind = "acceptedThenSilent" }"#, 10_000, "InProgress");
    check_query(r#"{ kind = "fails", code = "NO", message = "m" }"#, 5, "InProgress");
    check_query(r#"{ kind = "fails", code = "NO", message = "m" }"#, 10, "Failed NO");
    check_query(r#"{ kind = "alreadyDone", code = "RESET" }"#, 10, "Completed");
}

#[test]
fn a_query_of_what_never_came_knows_nothing_and_leaves_nothing() {
    let mut bench = Bench::new(scenario(""));
    let never = command("O", "activate", 1);
    let first = bench.send(&query(&never), 5);
    assert_eq!(shown(&first), ["5 NotKnown"]);
    let second = bench.send(&query(&never), 6);
    assert_ne!(first[0].feedback_id, second[0].feedback_id);
    assert_eq!(bench.downstream.ledger().entries().count(), 0);
}

#[test]
fn other_content_under_the_same_id_is_refused_and_found() {
    let mut bench = Bench::new(scenario(""));
    bench.send(&command("O", "activate", 1), 0);
    bench.rest();
    let mut changed = command("O", "activate", 2);
    changed.inputs.insert("bandwidth".into(), Json::from(200));
    assert_eq!(shown(&bench.send(&changed, 20)), ["20 Failed IDEMPOTENCY_CONFLICT"]);
    assert_eq!(bench.effects(), 1);
    let findings = bench.audit().findings;
    assert!(matches!(findings[..], [Finding::PayloadChanged { digests: 2, .. }]), "{findings:?}");
}

fn run(mode: ExecutionMode, run: u32, bandwidth: i64) -> Command {
    let plain = command("O", "activate", 1);
    let task = plain.task_id.unwrap();
    let inputs = Values::from([("bandwidth".to_owned(), Json::from(bandwidth))]);
    Command { command_id: CommandId::derived(task, mode, run), mode, inputs, ..plain }
}

#[track_caller]
fn check_audit(commands: &[Command], expected: &[&str]) {
    let mut bench = Bench::new(scenario(""));
    bench.downstream.receive(commands, Timestamp(0)).unwrap();
    let findings = bench.audit().findings;
    assert_eq!(findings.len(), expected.len(), "{findings:?}");
    for (finding, part) in findings.iter().zip(expected) {
        assert!(finding.to_string().contains(part), "{part} in {finding}");
    }
}

#[test]
fn the_audit_finds_work_that_was_done_twice_under_two_names() {
    use ExecutionMode::*;
    check_audit(&[run(Do, 1, 100), run(Redo, 2, 200)], &[]);
    check_audit(&[run(Do, 1, 100), run(Redo, 2, 200), run(Redo, 3, 300)], &[]);
    check_audit(&[run(Do, 1, 100), run(Do, 2, 100)], &["was done as"]);
    check_audit(&[run(Do, 1, 100), run(Do, 2, 200)], &["was done as"]);
    check_audit(&[run(Do, 1, 100), run(Redo, 2, 200), run(Redo, 3, 200)], &["(Redo)"]);
    check_audit(&[run(Undo, 1, 100)], &["never done"]);
    check_audit(&[Command { task_id: None, ..run(Do, 1, 100) }], &["names no task"]);
}
