//! A JSON value kept as its text: what a characteristic, an input or an output carries.
use serde::{Deserialize, Serialize};

/// JSON text, always well formed: it can only be made from a value.
///
/// Text and not a tree, because most values are only carried, and because Avro then sees a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Json(String);

impl Json {
    /// The value as a tree.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).expect("a Json is made from a value or from text that was parsed")
    }

    /// The JSON text itself, strings with their quotes.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What a person reads: a string without its quotes, anything else as JSON.
    pub fn shown(&self) -> String {
        match self.value() {
            serde_json::Value::String(text) => text,
            _ => self.0.clone(),
        }
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Json {
        Json(value.to_string())
    }
}

impl From<&str> for Json {
    /// A JSON string of this content.
    fn from(content: &str) -> Json {
        Json(serde_json::Value::from(content).to_string())
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Json {
        Json(number.to_string())
    }
}

impl TryFrom<String> for Json {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Json, serde_json::Error> {
        // Into a tree, as `value` does it: a number such as 1e999 is well formed, and still no value.
        serde_json::from_str::<serde_json::Value>(&text)?;
        Ok(Json(text))
    }
}

impl From<Json> for String {
    fn from(json: Json) -> String {
        json.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_becomes_json() {
        assert_eq!(Json::from("a \"b\"").text(), r#""a \"b\"""#);
        assert_eq!(Json::from("a").shown(), "a");
        assert!(Json::try_from("{not json".to_owned()).is_err());
        assert!(serde_json::from_str::<Json>(r#""[1,""#).is_err());
        assert!(Json::try_from("1e999".to_owned()).is_err(), "what is taken always has a value");
    }
}
