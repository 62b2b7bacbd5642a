use proptest::prelude::*;

use super::*;

#[track_caller]
fn check_fault(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().located(text.as_bytes()), expected);
}

#[test]
fn numbers_keep_their_digits_and_names_may_repeat() {
    let node = parse(
        r#" {"a": 0.10, "a": 12345678901234567890.00, "b": [1e2, true, null, "\u00e9\ud83d\ude00\n"]} "#,
    )
    .unwrap();
    assert_eq!(node.to_json(), r#"{"a":0.10,"a":12345678901234567890.00,"b":[1e2,true,null,"é😀\u000a"]}"#);
    assert_eq!(node.get("a"), Some(&Node::Number("0.10".to_owned())));
}

#[test]
fn faults_say_where_and_what_would_be_right() {
    check_fault("{\n \"é\" 1}", "line 2, column 6: expected ':', found '1'");
    check_fault("{\"a\": 1} x", "line 1, column 10: expected the end of the document, found 'x'");
    check_fault("", "line 1, column 1: expected a value, found the end");
    check_fault("[1,]", "line 1, column 4: expected a value, found ']'");
    check_fault("[01]", "line 1, column 3: expected ',' or ']', found '1'");
    check_fault("\"\\ud800x\"", "line 1, column 2: half of a surrogate pair without the other half");
    check_fault("\"\\udc00\"", "line 1, column 2: half of a surrogate pair without the other half");
    check_fault("\"\\u12é\"", "line 1, column 4: expected four hexadecimal digits after \\u");
    check_fault("\"a\0\"", "line 1, column 3: a control character in text; write it as \\u and four digits");
    check_fault("\"a", "line 1, column 3: text without its closing quote");
    check_fault("[1 \u{a0}]", "line 1, column 4: expected ',' or ']', found '\\u{a0}'");
    let deep = "[".repeat(DOCUMENT_DEPTH_MAX + 1);
    check_fault(&deep, "line 1, column 65: nested deeper than 64 lists and objects");
    let long = "1".repeat(NUMBER_BYTES_MAX + 1);
    check_fault(&long, "line 1, column 1: a number longer than 64 digits");
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads(text in r#"[\[\]{}:,"\\u0-9a-fA-F.eE+\- tr]{0,24}"#) {
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match (parse(&text), theirs) {
            (Ok(node), Ok(value)) => {
                let again: serde_json::Value = serde_json::from_str(&node.to_json()).unwrap();
                prop_assert_eq!(again, value);
            }
            // It also refuses numbers that no float can hold; we leave those to whoever reads the number.
            (Ok(_), Err(e)) => prop_assert!(e.to_string().contains("number out of range"), "{}: {}", text, e),
            (Err(fault), Ok(_)) => prop_assert!(false, "{} is JSON, but: {:?}", text, fault),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn any_text_survives_writing_and_reading(text in any::<String>()) {
        let node = Node::List(vec![Node::Text(text)]);
        prop_assert_eq!(parse(&node.to_json()).unwrap(), node);
    }
}

#[test]
fn spread_over_lines_it_is_what_serde_json_makes_of_it() {
    for text in [r#"{"a":[],"b":{},"c":[1,[true,null],{"d":"e\"f"}],"g":{"h":0.5}}"#, "[]", "7", r#"["a"]"#] {
        let node = parse(text).unwrap();
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(node.to_json_pretty(), serde_json::to_string_pretty(&value).unwrap());
    }
    assert_eq!(parse("[1.10]").unwrap().to_json_pretty(), "[\n  1.10\n]");
}
