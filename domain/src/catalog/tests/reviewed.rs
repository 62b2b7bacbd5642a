//! What a catalog must not hold to be published though it could be used, and what is probably a mistake.
use super::refused::{SMALL, check, findings};
use crate::catalog::{Catalog, CatalogDocument, Severity};

const SPEED: &str = "inputs = { speed = { service = \"speed\" } }";
const AFTER: &str = "after = [{ task = \"reserve\" }]";
const CODE: &str = "system = \"network\"\ncode = \"X\"";

#[test]
fn a_condition_that_is_always_the_same_is_found() {
    let condition = "item.quantity < 5";
    check(condition, "1 > 2", "condition \"1 > 2\" is always false; what stands under it is never reached");
    check(condition, "item.quantity < 5 && false", "is always false");
    check(condition, "true", "warning: offering line: condition \"true\" is always true; leave it out");
    check(condition, "'add'", "is \"add\", which is neither true nor false");
    check(
        SPEED,
        &format!("{SPEED}\n@condition = \"size('') > 0\""),
        "serviceSpecification access: task reserve: condition \"size('') > 0\" is always false",
    );
}

#[test]
fn a_field_that_is_never_there_is_found_with_the_nearest() {
    let condition = "item.quantity < 5";
    check(
        condition,
        "characteristics.sped < 5",
        "takes \"sped\" of characteristics, which has speed; did you mean \"speed\"?",
    );
    check(condition, "has(characteristics.colour)", "takes \"colour\" of characteristics, which has speed");
    check(condition, "characteristics['sped'] < 5", "takes \"sped\" of characteristics");
    check(condition, "'sped' in characteristics", "takes \"sped\" of characteristics");
    check(condition, "order.chanel == 'web'", "did you mean \"channel\"?");
    check(condition, "item.quantitty < 5", "takes \"quantitty\" of item, which has action, id");
    check(
        SPEED,
        &format!("{SPEED}\n@condition = \"service.sped == 1\""),
        "task reserve: expression \"service.sped == 1\" takes \"sped\" of service, which has speed",
    );
    check(
        "outputs = [\"port\"]",
        "outputs = [\"port\"]\n@whenChangedExpression = \"historical.sped == 1 ? 'redo' : 'nothing'\"",
        "takes \"sped\" of historical, which has speed",
    );
    // Names that a macro binds are its own.
    assert_eq!(findings(&SMALL.replacen(condition, "[item].all(order, order.quantity > 0)", 1)), [""; 0]);
}

#[test]
fn a_comparison_that_never_holds_is_found() {
    check(
        "item.quantity < 5",
        "item.action == 'remove'",
        "compares item.action with \"remove\", and it only ever is \"add\", \"modify\", \"delete\", \"noChange\"",
    );
    check("item.quantity < 5", "3 != characteristics.speed", "with 3, and it only ever is 1, 2");
}

#[test]
fn a_condition_that_can_be_neither_true_nor_false_is_found() {
    let condition = "item.quantity < 5";
    for (wrong, kind) in [
        ("item.quantity", "a number"),
        ("item.quantity + 1", "a number"),
        ("item.action", "a text"),
        ("characteristics.speed", "a number"),
        ("has(order.channel) ? 1 : 2", "a number"),
        ("[item.quantity]", "a list"),
    ] {
        check(condition, wrong, &format!("expression \"{wrong}\" is {kind}, and has to be true or false"));
    }
}

#[test]
fn what_never_works_whatever_the_order_says_is_found() {
    let condition = "item.quantity < 5";
    check(condition, "item.quantity == 'a'", "\"item.quantity == 'a'\" compares a number with a text");
    check(condition, "order.channel > 3", "compares a text with a number");
    check(condition, "characteristics.speed != 'fast'", "compares a number with a text");
    check(condition, "item.quantity && true", "takes a number for true or false");
    check(condition, "item.quantity / 0 > 1", "divides by 0");
    check(
        condition,
        "item.quantity > 5 && item.quantity < 3",
        "wants item.quantity to be what no whole number is",
    );
    check(condition, "unit > 0 && 2 < item.quantity && 3 > item.quantity", "to be what no whole number is");
    for right in [
        "item.quantity > 5 || item.quantity < 3",
        "item.quantity > 1 && item.quantity < 3",
        "item.quantity / 2 > 1 && has(order.channel) && order.channel == 'web'",
        "characteristics.speed == 1 && [1, 2].exists(quantity, quantity == 1)",
        "!has(order.category) || order.category.startsWith('b')",
    ] {
        assert_eq!(findings(&SMALL.replacen(condition, right, 1)), [""; 0], "{right}");
    }
    // What may be given several times is a value or a list.
    let several = "characteristics.speed == [1, 2]";
    check(condition, several, "compares a number with a list");
    let repeatable = SMALL.replacen("default = 1", "default = 1, cardinalityMax = 10", 1);
    for right in [several, "characteristics.speed == 1 || characteristics.speed != [1]"] {
        assert_eq!(findings(&repeatable.replacen(condition, right, 1)), [""; 0], "{right}");
    }
}

#[test]
fn a_strategy_that_there_is_not_is_found() {
    let outputs = "outputs = [\"port\"]";
    let with = |name: &str, value: &str| format!("{outputs}\n@{name} = \"{value}\"");
    check(
        outputs,
        &with("whenChangedExpression", "1"),
        "\"1\" is a number, and has to be one of redo, undoThenDo, nothing",
    );
    check(
        outputs,
        &with("whenChangedExpression", "historical.speed == 1 ? 'rdo' : 'nothing'"),
        "comes to \"rdo\", and has to be one of redo, undoThenDo, nothing; did you mean \"redo\"?",
    );
    check(
        outputs,
        &with("whenNotNeededExpression", "'redo'"),
        "comes to \"redo\", and has to be one of undo, nothing",
    );
}

#[test]
fn what_is_taken_where_it_is_given_and_never_is_is_found() {
    check(
        SPEED,
        "inputs = { speed = { serviceIfGiven = \"sped\" } }",
        "task reserve: input speed takes \"sped\" of the service where it is given, and nothing ever gives it; \
         did you mean \"speed\"?",
    );
    let given = SMALL.replacen(SPEED, "inputs = { speed = { serviceIfGiven = \"speed\" } }", 1);
    assert_eq!(findings(&given), [""; 0]);
}

#[test]
fn a_task_that_waits_for_itself_is_found() {
    let found = findings(&SMALL.replacen(AFTER, "after = [{ task = \"activate\" }]", 1));
    assert!(
        found.len() == 1 && found[0].contains("task activate comes after activate, which is itself"),
        "{found:#?}"
    );
    let misspelt = "after = [{ component = \"acess\", task = \"activate\" }]";
    let found = findings(&SMALL.replacen(AFTER, misspelt, 1));
    assert!(
        found.len() == 1 && found[0].contains("comes after acess / activate, of which there is none"),
        "{found:#?}"
    );
    let within = "after = [{ component = \"access\", task = \"activate\" }]";
    let found = findings(&SMALL.replacen(AFTER, within, 1));
    assert!(found.len() == 1 && found[0].contains("activate, which is itself"), "{found:#?}");
}

#[test]
fn a_rule_that_another_takes_everything_from_is_found() {
    let rule = |system: &str, code: &str, pattern: &str| {
        let pattern =
            if pattern.is_empty() { String::new() } else { format!("\nmessagePattern = \"{pattern}\"") };
        format!(
            "\n[[falloutRule]]\nsystem = \"{system}\"\ncode = \"{code}\"{pattern}\nnormalizedCode = \"Z\"\ndomain = \"data\"\n\
             recoverability = \"repairable\"\naction = \"look\"\n"
        )
    };
    let said = |rules: &[String]| findings(&format!("{SMALL}{}", rules.concat()));
    let last = |rules: &[String], lines: usize| {
        let text = format!("{SMALL}{}", rules.concat());
        format!("small.toml:{}: falloutRule", text.lines().count() - lines + 1)
    };
    // A longer text that holds a shorter one, after it and as specific.
    let shadowed = [rule("*", "*", "timeout"), rule("*", "*", "read timeout")];
    let found = said(&shadowed);
    assert!(found.len() == 1 && found[0].contains("is never reached: rule 2 (system \"*\", code \"*\", messagePattern \"timeout\") takes everything"), "{found:#?}");
    // The line is that of the pattern, which the message quotes.
    assert!(found[0].starts_with("small.toml:"), "{found:#?}");
    assert_eq!(said(&[rule("*", "*", "read timeout"), rule("*", "*", "timeout")]), [""; 0]);
    assert_eq!(said(&[rule("*", "*", "^timeout"), rule("*", "*", "read timeout")]), [""; 0]);
    // Ambiguous: two that match the same.
    let twice = [rule("network", "X", "")];
    let found = said(&twice);
    assert!(
        found.len() == 1
            && found[0].contains(
                "matches exactly what rule 1 matches (system \"network\", code \"X\"); keep one of them"
            ),
        "{found:#?}"
    );
    assert!(found[0].starts_with(&last(&twice, 6)), "{found:#?}, {}", last(&twice, 6));
    let all = [rule("*", "*", ".*")];
    let found = said(&all);
    assert!(
        found.len() == 1 && found[0].contains("messagePattern matches every message; leave it out"),
        "{found:#?}"
    );
    assert!(found[0].starts_with(&last(&all, 5)), "{found:#?}");
}

#[test]
fn a_rule_with_a_broken_pattern_is_found_at_its_line() {
    check(CODE, "system = \"network\"\ncode = \"X\"\n@messagePattern = \"(\"", "is no regular expression");
}

#[test]
fn work_that_is_for_no_action_is_found() {
    let deleted = findings(&SMALL.replacen(
        "service = \"access\", char",
        "service = \"access\", actions = [\"delete\"], char",
        1,
    ));
    assert!(deleted.iter().any(|text| text.contains("component access is for delete, and \"access\" has tasks for add only; nothing would be done for it")), "{deleted:#?}");
    assert!(deleted.iter().any(|text| {
        text.contains("task reserve is for add, and its components are for delete only; it is never done")
    }));
    assert!(deleted.iter().all(|text| text.starts_with("small.toml:")), "{deleted:#?}");
    let modified = SMALL.replacen(AFTER, &format!("{AFTER}\nactions = [\"add\", \"modify\"]"), 1);
    let found = findings(&modified);
    let expected = "small.toml:24: productSpecification line: component access: task activate: input port takes from the task reserve, \
                    which is not planned for modify; every such order would fail";
    assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}");
    let apart = SMALL.replacen(
        "inputs = { port = { output = { task = \"reserve\", output = \"port\" } } }",
        "actions = [\"modify\"]",
        1,
    );
    assert_eq!(
        findings(&apart),
        [
            "small.toml:24: warning: productSpecification line: component access: task activate comes after reserve, which is never planned \
          together with it"
        ]
    );
}

#[test]
fn an_offering_that_nobody_can_order_is_found() {
    let other = "\n[[offering]]\nid = \"box\"\nname = \"Box\"\nspecification = \"line\"\nbillable = false\n";
    let said = |line: &str, other: &str| {
        findings(&format!("{}{other}", SMALL.replacen("billable = false", line, 1)))
    };
    let member = "billable = false\nbundle = [{ offering = \"box\", min = 1, max = 1 }]";
    let found = said(member, &format!("{other}sellable = false\n"));
    assert_eq!(
        found,
        ["small.toml:17: offering line: cannot be ordered: it must hold \"box\", which is not sellable"]
    );
    let excluded = "billable = false\nbundle = [{ offering = \"box\", min = 1, max = 1 }]\nrelations = [{ kind = \"excludes\", anyOf = [\"box\"] }]";
    let found = said(excluded, other);
    assert_eq!(
        found,
        ["small.toml:17: offering line: cannot be ordered: it must hold \"box\" and excludes it"]
    );
    let both = "billable = false\nrelations = [\n  { kind = \"requires\", anyOf = [\"box\"] },\n  { kind = \"excludes\", anyOf = [\"box\"] },\n]";
    let found = said(both, other);
    assert_eq!(
        found,
        ["small.toml:18: offering line: cannot be ordered: it requires \"box\" and excludes it"]
    );
}

#[test]
fn a_command_that_would_undo_itself_by_doing_it_again_is_found() {
    check(
        "compensatingCommand = \"release\"",
        "compensatingCommand = \"reserve\"",
        "compensatingCommand is its own command; that would do it again",
    );
}

#[test]
fn durations_that_make_no_sense_together_are_found() {
    let retry = |text: &str| format!("outputs = [\"port\"]\n@retry = {{ {text} }}");
    check(
        "outputs = [\"port\"]",
        &retry("backoffMsMin = 100, windowMs = 50"),
        "retry.windowMs is 50, which is over before the first of its 5 tries; it must be at least backoffMsMin, 100",
    );
    check("outputs = [\"port\"]", &retry("queriesMax = 0"), "an outcome that is unknown has to be asked for");
    check(
        "outputs = [\"port\"]",
        &retry("backoffMsMin = 9, backoffMsMax = 1"),
        "0 < backoffMsMin <= backoffMsMax",
    );
    check(
        "outputs = [\"port\"]",
        "outputs = [\"port\"]\ncompensateInProgress = true\n@graceMs = 9",
        "graceMs is 9, and must not be above breachMs, 3",
    );
    check(
        "billable = false",
        "billable = false\n@feasibility = { system = \"network\", answerMs = 1, attemptsMax = 1000 }",
        "feasibility.attemptsMax must be 1 to 100",
    );
}

#[test]
fn what_nothing_refers_to_is_a_warning_and_hinders_nobody() {
    let more = "\n[[system]]\nname = \"idle\"\ncircuit = { failuresMax = 3, windowMs = 1000, openMsMin = 10, openMsMax = 100, probeMs = 10, releaseCount = 1, releaseIntervalMs = 1 }\n\
         \n[[taskType]]\nname = \"rest\"\nsystem = \"network\"\ncommand = \"rest\"\nexpectedMs = 1\nwarningMs = 1\nbreachMs = 1\nownerGroup = \"ops\"\nsideEffect = \"none\"\n\
         \n[[productSpecification]]\nid = \"ghost\"\nname = \"Ghost\"\nversion = \"1\"\ncommercialOnly = true\n\
         \n[[serviceSpecification]]\nid = \"sleep\"\nname = \"Sleep\"\nkind = \"service\"\ntasks = [{ taskType = \"reserve\" }]\n";
    let text = format!("{SMALL}{more}");
    let line = |piece: &str| text[..text.find(piece).unwrap()].lines().count();
    assert_eq!(
        findings(&text),
        [
            format!(
                "small.toml:{}: warning: system idle: nothing is ever asked of it",
                line("name = \"idle\"")
            ),
            format!(
                "small.toml:{}: warning: taskType rest: no service has such a task",
                line("name = \"rest\"")
            ),
            format!(
                "small.toml:{}: warning: productSpecification ghost: no offering sells it",
                line("id = \"ghost\"")
            ),
            format!(
                "small.toml:{}: warning: serviceSpecification sleep: no product consists of it",
                line("id = \"sleep\"")
            ),
        ]
    );
    assert!(Catalog::from_files(&[("small.toml", &text)]).is_ok());
}

#[test]
fn a_version_that_was_published_before_a_rule_was_thought_of_stays_usable() {
    let catalog = Catalog::from_files(&[("small.toml", SMALL)]).unwrap();
    let mut document: CatalogDocument = (*catalog).clone();
    let offering = document.offerings.get_mut("line").unwrap();
    offering.eligibility[0].condition.0 = "1 > 2".to_owned();
    let (reviewed, findings) = Catalog::reviewed(document.clone());
    assert!(reviewed.is_none() && findings.iter().any(|finding| finding.severity == Severity::Error));
    let usable = Catalog::new(document).unwrap();
    assert_eq!(usable.review_errors(), findings);
    assert_eq!(catalog.review_errors(), []);
}

#[test]
fn files_that_may_not_be_published_can_be_used_and_those_with_mistakes_cannot() {
    let doubtful = SMALL.replacen("item.quantity < 5", "1 > 2", 1);
    assert!(Catalog::from_files(&[("small.toml", &doubtful)]).is_err());
    let usable = Catalog::usable_files(&[("small.toml", &doubtful)]).unwrap();
    assert_eq!(usable.review_errors().len(), 1);
    let wrong = doubtful.replacen("specification = \"line\"", "specification = \"lin\"", 1);
    let refused = Catalog::usable_files(&[("small.toml", &wrong)]).unwrap_err();
    assert_eq!(refused, Catalog::from_files(&[("small.toml", &wrong)]).unwrap_err());
    assert!(Catalog::usable_files(&[("small.toml", "version = ")]).is_err());
}
