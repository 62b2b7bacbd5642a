//! docs/errors.md: every code, from the tables in `domain::codes`.
use domain::codes::{FAILURES, Found, REASONS};

use super::schema::cell;

const HEAD: &str = "\
# Codes

Every code that leaves the system, what it means, and what to do. Written from the tables in `domain/src/codes.rs` by `make doc`; a test
compares. Codes are contract: they are never renamed and never come to mean something else. Messages beside them are for people.
";

const REASONS_HEAD: &str = "
## Reasons of a refusal

A refusal has all its reasons at once, at most 100. Each has a code, a JSON pointer (RFC 6901) into the requester's own document (empty for
the whole of it), and a message that says what would be right there.
";

const FAILURES_HEAD: &str = "
## Codes of failures

A failure of a downstream system keeps the system's own code, word for word, in `failure.code`; the catalog's `fallout.toml` files it under
a normalised code of the catalog's own. These are the codes of what we notice ourselves; a rule of the catalog may file them like any other.
A case about `DecompositionFailed` carries the code of its first reason.

| code | meaning | found in | what to do |
|---|---|---|---|
";

const IGNORED: &str = "
## Answers that change nothing

`FeedbackIgnored.because` says why an answer of a downstream system changed nothing. None of these is an error of the order.

| code | meaning | what to do |
|---|---|---|
| `repeated` | The same answer was taken before, or it answers an earlier sending. | Nothing. |
| `late` | The task has moved past it. | Nothing; if it happens often, answer sooner or raise the task type's `breachMs`. |
| `notOurs` | No command of this id belongs to the order, or there is no such order. | Echo `commandId` and `orderKey` of the command exactly. |

## Exit codes of `orderstream`

| code | meaning | what to do |
|---|---|---|
| 0 | Done. | |
| 1 | It could not be done: an unreadable file, a busy port, a full disk, damaged data, no service. | Read the line on standard error; it says what is in the way. |
| 2 | The command line is wrong, or the command is not for the log of the settings (`verify` on Kafka). | `orderstream help` |
| 3 | The answer is no: an order refused or not found, a document or catalog with findings. | Read the reasons; correct, and try again. |
| 4 | Not within the time asked for (`--timeout`). | Ask again, or wait longer. |
";

/// The page.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    page.push_str(REASONS_HEAD);
    for found in Found::ALL {
        page.push_str(&format!(
            "\n### {}\n\n| code | meaning | what to do |\n|---|---|---|\n",
            found.shown()
        ));
        for row in REASONS.iter().filter(|row| row.found == *found) {
            page.push_str(&format!("| `{:?}` | {} | {} |\n", row.code, cell(row.meaning), cell(row.remedy)));
        }
    }
    page.push_str(FAILURES_HEAD);
    for row in FAILURES {
        let cells = [row.meaning, row.found, row.remedy].map(cell);
        page.push_str(&format!("| `{}` | {} |\n", row.code, cells.join(" | ")));
    }
    page.push_str(IGNORED);
    page
}
