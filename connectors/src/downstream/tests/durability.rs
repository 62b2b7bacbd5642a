//! What was taken survives the process, and what was answered is answered until it is confirmed.
use super::*;

#[test]
fn effects_and_answers_survive_a_process_that_vanished() {
    let Bench { downstream, directory } = Bench::new(scenario(""));
    let mut first = downstream;
    first.receive(&[command("A", "activate", 1), command("B", "activate", 1)], Timestamp(0)).unwrap();
    let handed_out = first.due(Timestamp(5)).unwrap();
    assert_eq!(handed_out.len(), 2);
    // Nothing is closed in an orderly way: the files are copied as a killed process would leave them.
    let left_behind = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), left_behind.path().join(file.file_name())).unwrap();
    }
    let mut second = open(left_behind.path(), scenario(""));
    assert_eq!(second.pending(), 4);
    let again = second.due(Timestamp(5)).unwrap();
    assert_eq!(again, handed_out, "an unconfirmed answer comes again, under its id");
    let late = second.receive(&[command("A", "activate", 1)], Timestamp(6)).unwrap();
    assert_eq!(late, [], "the redelivered command was taken before");
    assert_eq!(second.ledger().effects().count(), 2);
}

#[test]
fn a_confirmed_answer_does_not_come_again() {
    let Bench { mut downstream, directory } = Bench::new(scenario(""));
    downstream.receive(&[command("A", "activate", 1)], Timestamp(0)).unwrap();
    let accepted = downstream.due(Timestamp(5)).unwrap();
    downstream.confirm(&[accepted[0].feedback_id.clone()]).unwrap();
    drop(downstream);
    let mut reopened = open(directory.path(), scenario(""));
    assert_eq!(shown(&reopened.due(Timestamp::NEVER).unwrap()), ["10 Completed"]);
    assert_eq!(reopened.due(Timestamp::NEVER).unwrap(), []);
    reopened.take_back();
    assert_eq!(shown(&reopened.due(Timestamp::NEVER).unwrap()), ["10 Completed"]);
}

#[test]
fn an_outage_is_counted_across_a_restart() {
    let outage = "[[outages]]\nsystem = \"provisioning\"\nanswer = \"refuses\"\nwindow = { by = \"count\", after_commands = 0, commands = 2 }\n";
    let Bench { mut downstream, directory } = Bench::new(scenario(outage));
    downstream.receive(&[command("A", "activate", 1)], Timestamp(0)).unwrap();
    drop(downstream);
    let mut reopened = open(directory.path(), scenario(outage));
    reopened.receive(&[command("B", "activate", 1), command("C", "activate", 1)], Timestamp(0)).unwrap();
    assert_eq!(reopened.ledger().effects().map(|row| row.unwrap().order_key.0).collect::<Vec<_>>(), ["C"]);
}

#[test]
fn the_ledger_can_be_read_beside_its_writer_but_not_written_twice() {
    let mut bench = Bench::new(scenario(""));
    bench.send(&command("A", "activate", 1), 0);
    let reader = Ledger::read(bench.directory.path()).unwrap();
    assert_eq!(reader.effects().count(), 1);
    let refused = Downstream::open(bench.directory.path(), scenario("")).unwrap_err().to_string();
    assert!(refused.contains(bench.directory.path().to_str().unwrap()), "{refused}");
}

#[test]
fn equal_scenario_and_commands_give_equal_answers_in_whatever_batches() {
    let noisy = "[noise]\ntransient = 0.1\nlost = 0.1\nsilent_but_done = 0.1\nout_of_order = 0.2\n\
                 [systems.provisioning]\nlatency = { kind = \"uniform\", ms_min = 1, ms_max = 500 }\n";
    let commands: Vec<Command> = (0..60).map(|n| command(&format!("O{n}"), "activate", 1)).collect();
    let answers = |batch: usize| {
        let mut bench = Bench::new(scenario(noisy));
        let mut all = Vec::new();
        for some in commands.chunks(batch) {
            all.extend(bench.downstream.receive(some, Timestamp(0)).unwrap());
        }
        all.extend(bench.downstream.due(Timestamp::NEVER).unwrap());
        all.sort_by(|a, b| (a.at, &a.feedback_id).cmp(&(b.at, &b.feedback_id)));
        all
    };
    let all = answers(1);
    assert!(all.len() > 30 && all.iter().any(|answer| answer.kind == FeedbackKind::Failed));
    assert_eq!(all, answers(60));
}
