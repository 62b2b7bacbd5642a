//! A place in a document: a value, its JSON pointer, and reads that note what is wrong instead of giving up.
use domain::limits::{NOTE_BYTES_MAX, REASONS_MAX, TEXT_BYTES_MAX};
use domain::{Reason, ReasonCode, Timestamp};
use rust_decimal::Decimal;

use super::json::Node;

/// The longest pointer in a finding: names of members that we do not know may be of any length.
pub const POINTER_BYTES_MAX: usize = 1_024;

/// Everything that is wrong, up to a limit; what is beyond it is counted.
#[derive(Debug, Default)]
pub struct Findings {
    reasons: Vec<Reason>,
    count: usize,
}

impl Findings {
    pub fn add(&mut self, code: ReasonCode, pointer: impl Into<String>, message: impl Into<String>) {
        self.add_at(code, || pointer.into(), message);
    }

    /// As [`Findings::add`]; the pointer is made only where it is kept. A longer one than [`POINTER_BYTES_MAX`] ends at an enclosing place.
    pub fn add_at(&mut self, code: ReasonCode, pointer: impl FnOnce() -> String, message: impl Into<String>) {
        self.count += 1;
        if self.reasons.len() >= REASONS_MAX {
            return;
        }
        let mut pointer = pointer();
        if pointer.len() > POINTER_BYTES_MAX {
            let cut = pointer.floor_char_boundary(POINTER_BYTES_MAX);
            pointer.truncate(pointer[..cut].rfind('/').unwrap_or(0));
        }
        self.reasons.push(Reason::new(code, pointer, message));
    }

    /// All of them; the last says how many more there were.
    pub fn finish(mut self) -> Vec<Reason> {
        if self.count > REASONS_MAX {
            self.reasons.truncate(REASONS_MAX - 1);
            let more = self.count - self.reasons.len();
            self.reasons.push(Reason::new(
                ReasonCode::TooMany,
                "",
                format!("{more} more reasons are not listed"),
            ));
        }
        self.reasons
    }
}

/// One value of the document.
#[derive(Clone, Debug)]
pub struct Place<'d> {
    pub node: &'d Node,
    /// RFC 6901.
    pub pointer: String,
}

/// A name as a pointer's part.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl<'d> Place<'d> {
    /// A member that is there and not null.
    pub fn member(&self, name: &str) -> Option<Place<'d>> {
        let node = self.node.get(name).filter(|node| **node != Node::Null)?;
        Some(Place { node, pointer: self.below(name) })
    }

    /// The pointer of a member, there or not.
    pub fn below(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escaped(name))
    }

    fn wrong(&self, expected: &str, findings: &mut Findings) {
        findings.add(
            ReasonCode::FieldInvalid,
            &self.pointer,
            format!("expected {expected}, found {}", self.node.kind()),
        );
    }

    /// A member that is an object.
    pub fn object(&self, name: &str, findings: &mut Findings) -> Option<Place<'d>> {
        let place = self.member(name)?;
        if let Node::Object(_) = place.node {
            return Some(place);
        }
        place.wrong("an object", findings);
        None
    }

    /// The objects of a member that is a list, at most `max` of them.
    pub fn objects(&self, name: &str, max: usize, findings: &mut Findings) -> Vec<Place<'d>> {
        let Some(place) = self.member(name) else { return Vec::new() };
        let Node::List(nodes) = place.node else {
            place.wrong("a list of objects", findings);
            return Vec::new();
        };
        if nodes.len() > max {
            findings.add(
                ReasonCode::TooMany,
                &place.pointer,
                format!("{} entries; at most {max} are taken", nodes.len()),
            );
        }
        let mut objects = Vec::new();
        for (index, node) in nodes.iter().take(max).enumerate() {
            let inner = Place { node, pointer: format!("{}/{index}", place.pointer) };
            match node {
                Node::Object(_) => objects.push(inner),
                Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) => {
                    inner.wrong("an object", findings)
                }
            }
        }
        objects
    }

    /// This value as text of at most `max` bytes; longer text is cut, so that what goes on stays within its limits.
    pub fn as_text(&self, max: usize, findings: &mut Findings) -> Option<String> {
        let text = match self.node {
            Node::Text(text) => text,
            // Said to be wrong, and taken all the same: else it would be said to be missing as well.
            Node::Number(digits) => {
                self.wrong("text (in quotes)", findings);
                digits
            }
            Node::Null | Node::Bool(_) | Node::List(_) | Node::Object(_) => {
                self.wrong("text", findings);
                return None;
            }
        };
        if text.len() > max {
            findings.add(
                ReasonCode::FieldTooLong,
                &self.pointer,
                format!("{} bytes; at most {max} are taken", text.len()),
            );
        }
        Some(text[..text.floor_char_boundary(max)].to_owned())
    }

    /// An id, a code, a name. Empty text is as good as none.
    pub fn text(&self, name: &str, findings: &mut Findings) -> Option<String> {
        self.member(name)?.as_text(TEXT_BYTES_MAX, findings).filter(|text| !text.trim().is_empty())
    }

    /// Free text.
    pub fn long_text(&self, name: &str, findings: &mut Findings) -> Option<String> {
        self.member(name)?.as_text(NOTE_BYTES_MAX, findings).filter(|text| !text.trim().is_empty())
    }

    /// Text that has to be there.
    pub fn required(&self, name: &str, findings: &mut Findings) -> Option<String> {
        let before = findings.count;
        let text = self.text(name, findings);
        // A value of the wrong type has been reported already.
        if text.is_none() && findings.count == before {
            findings.add(
                ReasonCode::FieldMissing,
                self.below(name),
                format!("\"{name}\" is missing or empty"),
            );
        }
        text
    }

    /// RFC 3339.
    pub fn date(&self, name: &str, findings: &mut Findings) -> Option<Timestamp> {
        let place = self.member(name)?;
        let parsed = place.node.text().and_then(Timestamp::parse);
        if parsed.is_none() {
            let message = "not a date and time with its offset, such as 2026-11-21T08:13:59.506Z";
            findings.add(ReasonCode::DateInvalid, &place.pointer, message);
        }
        parsed
    }

    /// A whole number of at least 0; text of digits is none.
    pub fn count(&self, name: &str, findings: &mut Findings) -> Option<u32> {
        let place = self.member(name)?;
        let count = place.whole_number().and_then(|number| u32::try_from(number).ok());
        if count.is_none() {
            findings.add(
                ReasonCode::FieldInvalid,
                &place.pointer,
                format!("expected a whole number of at least 0, found {}", place.shown()),
            );
        }
        count
    }

    /// An exact decimal number.
    pub fn decimal(&self, name: &str, findings: &mut Findings) -> Option<Decimal> {
        let place = self.member(name)?;
        let Node::Number(digits) = place.node else {
            place.wrong("a number", findings);
            return None;
        };
        let number = decimal_of(digits);
        if number.is_none() {
            findings.add(
                ReasonCode::FieldInvalid,
                &place.pointer,
                format!("{digits} is out of range; at most 28 digits are taken"),
            );
        }
        number
    }

    pub(super) fn whole_number(&self) -> Option<i64> {
        let Node::Number(digits) = self.node else { return None };
        let number = decimal_of(digits)?;
        if number.is_integer() { i64::try_from(number).ok() } else { None }
    }

    /// A short form of the value, for messages.
    pub(super) fn shown(&self) -> String {
        match self.node {
            Node::Number(digits) => digits.clone(),
            Node::Text(text) => format!("\"{}\"", &text[..text.floor_char_boundary(40)]),
            Node::Null | Node::Bool(_) | Node::List(_) | Node::Object(_) => self.node.kind().to_owned(),
        }
    }
}

/// The decimal of these digits, exactly; `None` where that would lose any of them.
pub fn decimal_of(digits: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(digits).ok();
    };
    let mantissa = Decimal::from_str_exact(mantissa).ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    // A Decimal has at most 28 decimal places.
    let ten_to = (0..exponent.unsigned_abs().min(29))
        .try_fold(Decimal::ONE, |power, _| power.checked_mul(Decimal::TEN))?;
    if exponent >= 0 {
        return mantissa.checked_mul(ten_to).map(|number| number.normalize());
    }
    let number = mantissa.checked_div(ten_to)?;
    (number.checked_mul(ten_to)? == mantissa).then(|| number.normalize())
}
