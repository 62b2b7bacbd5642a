//! A small catalog with one thing wrong at a time, and with many.
use crate::catalog::Catalog;

/// Marks the place that a finding has to name, where that is not the beginning of what was replaced.
const HERE: char = '@';

/// Correct; each case replaces a piece of it.
pub(super) const SMALL: &str = r#"
version = "1"

[[system]]
name = "network"
circuit = { failuresMax = 3, windowMs = 1000, openMsMin = 10, openMsMax = 100, probeMs = 10, releaseCount = 1, releaseIntervalMs = 1 }

[[relationKind]]
name = "reliesOn"
ordersWork = true

[[offering]]
id = "line"
name = "Line"
specification = "line"
billable = false
eligibility = [{ condition = "item.quantity < 5", message = "too many" }]

[[productSpecification]]
id = "line"
name = "Line"
version = "1"
characteristics = [{ name = "speed", valueType = "integer", allowedValues = [1, 2], default = 1 }]
components = [{ component = "access", service = "access", characteristics = { speed = { characteristic = "speed" } } }]

[[serviceSpecification]]
id = "access"
name = "Access"
kind = "service"

[[serviceSpecification.tasks]]
taskType = "reserve"
inputs = { speed = { service = "speed" } }

[[serviceSpecification.tasks]]
taskType = "activate"
inputs = { port = { output = { task = "reserve", output = "port" } } }
after = [{ task = "reserve" }]

[[taskType]]
name = "reserve"
system = "network"
command = "reserve"
expectedMs = 1
warningMs = 2
breachMs = 3
ownerGroup = "ops"
sideEffect = "reservation"
compensatingCommand = "release"
outputs = ["port"]

[[taskType]]
name = "activate"
system = "network"
command = "activate"
expectedMs = 1
warningMs = 2
breachMs = 3
ownerGroup = "ops"
sideEffect = "activation"
reversible = "no"

[[falloutRule]]
system = "network"
code = "X"
normalizedCode = "Y"
domain = "provisioning"
recoverability = "repairable"
action = "repair"
"#;

/// Errors and warnings.
pub(super) fn findings(text: &str) -> Vec<String> {
    let (_, findings) = Catalog::reviewed_files(&[("small.toml", text)]);
    findings.iter().map(ToString::to_string).collect()
}

/// `piece` replaced by `other` leads to exactly one finding, at the line of what is wrong, which says `expected`.
#[track_caller]
pub(super) fn check(piece: &str, other: &str, expected: &str) {
    let at = SMALL.find(piece).unwrap_or_else(|| panic!("the catalog does not have {piece}"));
    let text = SMALL.replacen(piece, other, 1);
    let at = text.find(HERE).unwrap_or(at);
    let line = text[..at].lines().count() + usize::from(text[..at].ends_with('\n'));
    let found = findings(&text.replace(HERE, ""));
    let place = format!("small.toml:{line}: ");
    assert!(
        found.len() == 1 && found[0].starts_with(&place) && found[0].contains(expected),
        "{other}: expected at {place}{expected}, found {found:#?}"
    );
}

#[test]
fn the_small_catalog_is_correct() {
    assert_eq!(findings(SMALL), Vec::<String>::new());
}

#[test]
fn each_wrong_thing_is_found_where_it_stands() {
    // (what is replaced, by what, what is said)
    let cases = [
        (
            "specification = \"line\"\n",
            "specification = \"lime\"\n",
            "offering line: names the product specification \"lime\", which is not in the catalog; did you mean \"line\"?",
        ),
        (
            "billable = false",
            "prices = [{ id = \"p\", name = \"P\", kind = \"recurring\", currency = \"EUR\" }]",
            "is recurring and has no period",
        ),
        (
            "item.quantity < 5",
            "item.quantity <",
            "expression \"item.quantity <\" is not CEL, at character 16: ",
        ),
        (
            "item.quantity < 5",
            "ordre.priority < 5",
            "names the variable \"ordre\"; here there are order, item, characteristics, unit; did you mean \"order\"?",
        ),
        ("item.quantity < 5", "order.key.matches('a')", "calls \"matches\""),
        (
            "item.quantity < 5",
            "order.key.startwith('a')",
            "calls \"startwith\"; there are size, contains, startsWith",
        ),
        ("item.quantity < 5", "service.speed == 1", "names the variable \"service\""),
        ("allowedValues = [1, 2], default = 1", "allowedValues = []", "allows no value at all"),
        (
            "allowedValues = [1, 2], default = 1",
            "allowedValues = [1, \"2\"]",
            "allows \"2\", which is not of its type",
        ),
        ("default = 1", "default = 3", "has the default 3, which it does not allow"),
        (
            "valueType = \"integer\", allowedValues = [1, 2], default = 1",
            "valueType = \"string\", pattern = \"(\"",
            "no regular expression",
        ),
        (
            "valueType = \"integer\", allowedValues = [1, 2], default = 1",
            "valueType = \"string\", minimum = \"1\"",
            "is no number",
        ),
        (
            "service = \"access\", char",
            "service = \"excess\", char",
            "names the service specification \"excess\"",
        ),
        (
            "characteristic = \"speed\"",
            "characteristic = \"sped\"",
            "takes \"sped\", which the specification does not have; did you mean \"speed\"?",
        ),
        (
            "output = \"port\" }",
            "output = \"door\" }",
            "takes the output \"door\", which \"reserve\" does not report",
        ),
        (
            "after = [{ task = \"reserve\" }]",
            "after = [{ task = \"preserve\" }]",
            "comes after the task type \"preserve\", which is not in the catalog; did you mean \"reserve\"?",
        ),
        (
            "after = [{ task = \"reserve\" }]",
            "after = [{ task = \"reserve\", relation = \"likes\" }]",
            "names the relation \"likes\"",
        ),
        ("reversible = \"no\"", "reversible = \"no\"\ncompensatingCommand = \"x\"", "keep one of them"),
        ("expectedMs = 1\n", "expectedMs = 3\n", "durations must be 0 < expectedMs <= warningMs <= breachMs"),
        (
            "outputs = [\"port\"]",
            "outputs = [\"port\"]\n@significantFields = [\"colour\"]",
            "calls the field \"colour\" significant",
        ),
        ("openMsMin = 10,", "openMsMin = 1000,", "circuit.openMsMin must not be above"),
        (
            "system = \"network\"\ncode",
            "system = \"netwerk\"\ncode",
            "falloutRule 1: names the system \"netwerk\"",
        ),
        ("domain = \"provisioning\"", "domain = \"luck\"", "unknown variant `luck`"),
        ("[[relationKind]]", "[[relationKinds]]", "is not known; there are version"),
    ];
    for (piece, other, expected) in cases {
        check(piece, other, expected);
    }
}

#[test]
fn what_is_missing_is_found_at_the_entry_that_misses_it() {
    let cases = [
        (
            "after = [{ task = \"reserve\" }]",
            "after = [{ component = \"port\" }]",
            "comes after port, of which there is none",
        ),
        (
            "service = \"speed\" }",
            "service = \"sped\" }",
            "takes \"sped\", which its component does not have",
        ),
        ("after = [{ task = \"reserve\" }]", "after = [{}]", "comes after nothing"),
        ("compensatingCommand = \"release\"\n", "", "has a side effect and no compensatingCommand"),
        (
            "inputs = { speed = { service = \"speed\" } }",
            "after = [{ task = \"activate\" }]",
            "for add, tasks wait for one another: line:access:activate → line:access:reserve → line:access:activate; take one out",
        ),
        ("inputs = { speed = { service = \"speed\" } }", "actions = []", "is for no action at all"),
        (
            "inputs = { speed = { service = \"speed\" } }",
            "inputs = { day = { literal = 2026-11-01 } }",
            "is a date; write it as text",
        ),
        (
            "ordersWork = true",
            "ordersWork = true\ntargetIsPart = true",
            "has both targetIsPart and ordersWork",
        ),
    ];
    for (piece, other, expected) in cases {
        let found = findings(&SMALL.replacen(piece, other, 1));
        assert!(found.len() == 1 && found[0].contains(expected), "{other}: {found:#?}");
        assert!(found[0].starts_with("small.toml:"), "{found:?}");
    }
    let without = findings(&SMALL.replacen("version = \"1\"\n\n", "", 1));
    assert_eq!(without, ["version: is missing; one of the files must say version = \"...\""]);
    let twice = findings(&SMALL.replacen("version = \"1\"\n", "version = \"1\"\nversion = \"2\"\n", 1));
    assert_eq!(twice, ["small.toml:3: file: duplicate key"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let wrong = SMALL
        .replacen("billable = false", "relations = [{ kind = \"requires\", anyOf = [] }]", 1)
        .replacen("expectedMs = 1\n", "expectedMs = 9\n", 1)
        .replacen("item.quantity < 5", "1 +", 1)
        .replacen("allowedValues = [1, 2], default = 1", "allowedValues = []", 1);
    assert_eq!(findings(&wrong).len(), 4, "{:#?}", findings(&wrong));
}

#[test]
fn a_field_or_a_word_that_is_nearly_known_is_said_with_the_nearest_and_not_with_all() {
    let first = |piece: &str, other: &str| findings(&SMALL.replacen(piece, other, 1)).swap_remove(0);
    let field = first("ownerGroup = \"ops\"", "ownerGrp = \"ops\"");
    assert!(
        field.ends_with(": taskType reserve: unknown field `ownerGrp`; did you mean \"ownerGroup\"?"),
        "{field}"
    );
    let word = first("sideEffect = \"reservation\"", "sideEffect = \"reservatoin\"");
    assert!(word.ends_with("unknown variant `reservatoin`; did you mean \"reservation\"?"), "{word}");
}

#[test]
fn an_entry_that_cannot_be_read_is_said_and_not_missed_by_those_that_refer_to_it() {
    let found = findings(&SMALL.replacen("kind = \"service\"", "kind = \"service\"\ncolour = 1", 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("serviceSpecification access: unknown field `colour`"), "{found:#?}");
    assert!(
        found[0].starts_with(&format!("small.toml:{}:", line_of("kind = \"service\"") + 1)),
        "{found:#?}"
    );
    // Tasks of its type, an input from it and a dependency on it.
    let found = findings(&SMALL.replacen("outputs = [\"port\"]", "outpts = [\"port\"]", 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    let system = findings(&SMALL.replacen("failuresMax", "failuresMx", 1));
    assert_eq!(system.len(), 1, "{system:#?}");
    // Another of that name and kind is missed as ever.
    let other = SMALL.replacen("outputs = [\"port\"]", "outpts = [\"port\"]", 1);
    let found = findings(&other.replacen("system = \"network\"", "system = \"netwrk\"", 2));
    assert!(
        found.iter().any(|text| text.contains("names the system \"netwrk\", which is not")),
        "{found:#?}"
    );
}

#[test]
fn what_may_stand_in_a_file_that_is_no_toml_is_not_missed() {
    let (system, rest) = SMALL.split_once("[[relationKind]]").unwrap();
    let rest = format!("[[relationKind]]{rest}");
    let found = Catalog::from_files(&[("a.toml", format!("{system}\n= 1")), ("b.toml", rest)]).unwrap_err();
    assert!(found.iter().all(|finding| finding.file.as_deref() == Some("a.toml")), "{found:#?}");
}

fn line_of(text: &str) -> usize {
    SMALL[..SMALL.find(text).unwrap()].lines().count() + 1
}

#[test]
fn an_entry_twice_names_both_places() {
    let rest = SMALL.replacen("version = \"1\"", "", 1);
    let found = Catalog::from_files(&[("a.toml", SMALL), ("b.toml", rest.as_str())]).unwrap_err();
    let first = found.iter().map(ToString::to_string).find(|text| text.contains("taskType reserve")).unwrap();
    assert!(first.starts_with("b.toml:") && first.contains("is there already, at a.toml:"), "{first}");
}

#[test]
fn services_and_bundles_that_hold_themselves_are_found() {
    let endless = format!(
        "{SMALL}\n[[serviceSpecification]]\nid = \"loop\"\nname = \"Loop\"\nkind = \"resource\"\nparts = [{{ component = \"a\", service = \"loop\" }}]\n"
    );
    let line = endless.lines().count() - 4;
    let expected =
        format!("small.toml:{line}: serviceSpecification loop: services consist of one another: loop → loop");
    assert!(findings(&endless).iter().any(|text| text.starts_with(&expected)), "{:#?}", findings(&endless));
    let nested = SMALL.replacen(
        "billable = false",
        "billable = false\nbundle = [{ offering = \"line\", min = 0, max = 1 }]",
        1,
    );
    let expected = "small.toml:12: offering line: bundles hold one another: line → line";
    assert!(findings(&nested).iter().any(|text| text.starts_with(expected)), "{:#?}", findings(&nested));
}

#[test]
fn what_is_no_toml_and_no_json_is_a_finding() {
    assert!(findings("version = ")[0].starts_with("small.toml:1: file:"));
    assert_eq!(Catalog::from_json("{}").unwrap_err().len(), 1);
    assert_eq!(Catalog::from_json("not json").unwrap_err().len(), 1);
}
