//! Every way to behave, once: what is sent at which time, and what is answered at which time.
use super::*;

/// Sends `activate` at the times given (the first attempt first), under one fault; `expected` are all answers, `effects` how often it was done.
#[track_caller]
fn check(fault: &str, sent_at: &[i64], expected: &[&str], effects: usize) {
    let mut bench = Bench::new(with_fault(fault));
    let mut answers = Vec::new();
    for (n, now) in sent_at.iter().enumerate() {
        answers.extend(shown(&bench.send(&command("O", "activate", n as u32 + 1), *now)));
    }
    answers.extend(bench.rest());
    assert_eq!(answers, expected, "{fault}");
    assert_eq!(bench.effects(), effects, "{fault}");
    assert_eq!(bench.audit().findings, []);
}

#[test]
fn a_healthy_command_is_accepted_and_completed_with_its_outputs() {
    let mut bench = Bench::new(scenario("[commands.activate]\noutputs = [\"ipAddress\", \"portId\"]\n"));
    assert_eq!(bench.send(&command("O", "activate", 1), 100), []);
    assert_eq!(bench.downstream.next_due(), Some(Timestamp(102)));
    let answers = bench.downstream.due(Timestamp(200)).unwrap();
    assert_eq!(shown(&answers), ["102 Accepted", "110 Completed"]);
    assert!(answers[1].outputs["ipAddress"].shown().starts_with("198."));
    assert_eq!(answers[1].outputs.len(), 2);
    assert_eq!((answers[1].attempt, bench.downstream.next_due()), (Some(1), None));
}

#[test]
fn an_unknown_command_reports_something_by_a_generic_rule_and_each_unit_its_own() {
    let mut bench = Bench::new(scenario(""));
    let first = command("O", "polish", 1);
    let task = TaskId::derived(&first.order_key, &"1".into(), "access#2", "polish");
    let second = Command {
        command_id: CommandId::derived(task, ExecutionMode::Do, 1),
        task_id: Some(task),
        ..first.clone()
    };
    bench.send(&first, 0);
    bench.send(&second, 0);
    let answers = bench.downstream.due(Timestamp(99)).unwrap();
    let outputs: Vec<&Values> =
        answers.iter().filter(|answer| !answer.outputs.is_empty()).map(|answer| &answer.outputs).collect();
    assert_eq!(outputs.len(), 2);
    assert!(outputs.iter().all(|outputs| outputs.contains_key("polishReference")));
    assert_ne!(outputs[0], outputs[1]);
}

#[test]
fn progress_is_told_between_acceptance_and_completion() {
    let text = "[systems.provisioning]\nlatency = { kind = \"fixed\", ms = 12 }\nprogress = 2\n";
    let mut bench = Bench::new(scenario(text));
    bench.send(&command("O", "activate", 1), 0);
    assert_eq!(bench.rest(), ["4 InProgress", "8 InProgress", "12 Completed"]);
}

#[test]
#[rustfmt::skip]
fn every_fault_is_as_it_says() {
    check(r#"{ kind = "fails", code = "BUSY", message = "m", retryable = true, times = 2 }"#, &[0, 100, 200],
        &["2 Accepted", "10 Failed BUSY", "102 Accepted", "110 Failed BUSY", "202 Accepted", "210 Completed"], 1);
    check(r#"{ kind = "fails", code = "NO", message = "m", retryable = false }"#, &[0, 100],
        &["2 Accepted", "10 Failed NO", "102 Accepted", "110 Failed NO"], 0);
    check(r#"{ kind = "silentButDone" }"#, &[0], &[], 1);
    check(r#"{ kind = "lost", times = 1 }"#, &[0], &[], 0);
    check(r#"{ kind = "lost", times = 1 }"#, &[0, 100], &["102 Accepted", "110 Completed"], 1);
    check(r#"{ kind = "acceptedThenSilent" }"#, &[0], &["2 Accepted"], 0);
    check(r#"{ kind = "duplicateAnswers" }"#, &[0], &["2 Accepted", "2 Accepted", "10 Completed", "10 Completed"], 1);
    check(r#"{ kind = "outOfOrder" }"#, &[0], &["10 Completed", "13 InProgress", "16 Accepted"], 1);
    check(r#"{ kind = "lateDuplicate", after_ms = 50 }"#, &[0], &["2 Accepted", "10 Completed", "60 Completed"], 1);
    check(r#"{ kind = "partialThenDone" }"#, &[0], &["2 Accepted", "5 PartialActivation", "10 Completed"], 1);
    check(r#"{ kind = "alreadyDone", code = "RESET" }"#, &[0, 100], &["10 Failed RESET", "100 Failed DUPLICATE_REQUEST"], 1);
    check(r#"{ kind = "suspendedLater", after_ms = 5, resumed_after_ms = 6 }"#, &[0],
        &["2 Accepted", "10 Completed", "15 Suspended", "21 Resumed"], 1);
    check(r#"{ kind = "terminatedLater", after_ms = 5 }"#, &[0], &["2 Accepted", "10 Completed", "15 Terminated"], 1);
}

#[test]
fn duplicates_share_an_id_and_a_late_duplicate_has_its_own() {
    let ids = |fault: &str| {
        let mut bench = Bench::new(with_fault(fault));
        bench.send(&command("O", "activate", 1), 0);
        let answers = bench.downstream.due(Timestamp::NEVER).unwrap();
        let completed = answers.into_iter().filter(|answer| answer.kind == FeedbackKind::Completed);
        completed.map(|answer| answer.feedback_id).collect::<Vec<_>>()
    };
    let same = ids(r#"{ kind = "duplicateAnswers" }"#);
    assert!(same.len() == 2 && same[0] == same[1], "{same:?}");
    let late = ids(r#"{ kind = "lateDuplicate", after_ms = 50 }"#);
    assert!(late.len() == 2 && late[0] != late[1], "{late:?}");
}

#[test]
fn half_of_the_outputs_come_with_the_partial_activation() {
    let mut bench = Bench::new(with_fault(r#"{ kind = "partialThenDone" }"#));
    bench.send(&command("O", "activate", 1), 0);
    let answers = bench.downstream.due(Timestamp::NEVER).unwrap();
    let outputs: Vec<usize> = answers.iter().map(|answer| answer.outputs.len()).collect();
    assert_eq!(outputs, [0, 1, 2]);
}

#[test]
fn an_outage_by_count_refuses_and_ends() {
    let outage = "[[outages]]\nsystem = \"provisioning\"\nanswer = \"refuses\"\nwindow = { by = \"count\", after_commands = 1, commands = 2 }\n";
    let mut bench = Bench::new(scenario(outage));
    let mut all = Vec::new();
    for (n, order) in ["A", "B", "C", "D"].into_iter().enumerate() {
        all.extend(kinds(&bench.send(&command(order, "activate", 1), n as i64)));
    }
    assert_eq!(all, [FeedbackKind::Failed, FeedbackKind::Accepted, FeedbackKind::Failed], "B, A's, C");
    bench.send(&command("B", "activate", 2), 50);
    assert_eq!(bench.effects(), 3);
}

#[test]
fn an_outage_by_time_may_be_silent_also_to_questions() {
    let outage = "[[outages]]\nsystem = \"provisioning\"\nanswer = \"silent\"\nwindow = { by = \"time\", after_ms = 10, for_ms = 10 }\n";
    let mut bench = Bench::new(scenario(outage));
    let sent = command("B", "activate", 1);
    bench.send(&command("A", "activate", 1), 1_000);
    bench.rest();
    bench.send(&sent, 1_010);
    assert_eq!(bench.send(&query(&sent), 1_015), []);
    assert_eq!(bench.send(&check_feasibility("C", 1), 1_019), []);
    assert_eq!(bench.rest(), Vec::<String>::new());
    assert_eq!(kinds(&bench.send(&query(&sent), 1_020)), [FeedbackKind::NotKnown]);
    assert_eq!(bench.effects(), 1);
}

#[test]
fn a_limited_outage_turns_no_command_away_more_often_than_it_says() {
    let outage = "[[outages]]\nsystem = \"provisioning\"\nanswer = \"refuses\"\nrefusals_per_command_max = 1\nwindow = { by = \"count\", after_commands = 0, commands = 1000 }\n";
    let mut bench = Bench::new(scenario(outage));
    let answers: Vec<_> =
        (1..=2).flat_map(|attempt| bench.send(&command("A", "activate", attempt), 0)).collect();
    assert_eq!(kinds(&answers), [FeedbackKind::Failed]);
    assert_eq!(bench.effects(), 1);
}

#[test]
fn feasibility_is_answered_by_plan_or_by_rule_and_has_no_effect() {
    let text = "[[not_serviceable]]\ninput = \"bandwidth\"\ncontains = \"666\"\nmessage = \"no such line\"\n\
                [[planted.X]]\ncommand = \"feasibility\"\nfault = { kind = \"fails\", code = \"NOT_SERVICEABLE\", message = \"m\" }\n";
    let mut bench = Bench::new(scenario(text));
    bench.send(&check_feasibility("A", 1), 0);
    assert_eq!(bench.rest(), ["10 Completed"]);
    bench.send(&check_feasibility("X", 1), 0);
    assert_eq!(bench.rest(), ["10 Failed NOT_SERVICEABLE"]);
    let mut fast = check_feasibility("B", 1);
    fast.inputs.insert("bandwidth".into(), Json::from(666));
    bench.send(&fast, 0);
    assert_eq!(bench.rest(), ["10 Failed NOT_SERVICEABLE"]);
    assert_eq!(bench.effects(), 0);
}

#[test]
fn a_planted_fault_is_exempt_from_outages_and_noise() {
    let text = "[[outages]]\nsystem = \"provisioning\"\nanswer = \"refuses\"\n\
                window = { by = \"count\", after_commands = 0, commands = 9 }\n\
                [[planted.A]]\ncommand = \"activate\"\nfault = { kind = \"outOfOrder\" }\n[noise]\nlost = 1.0\n";
    let mut bench = Bench::new(scenario(text));
    bench.send(&command("A", "activate", 1), 0);
    assert_eq!(bench.rest(), ["10 Completed", "13 InProgress", "16 Accepted"]);
}
