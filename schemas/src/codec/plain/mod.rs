//! Avro's binary form straight from and to the typed value, for types that say the same as their contract: fields in the contract's
//! sequence, `Option` for a union of null and another, unit enums whose variants are the symbols in their sequence, lists, and maps of text.
//!
//! No name is looked up and no schema is walked on the way, which is what most of the time of a schema-driven writer goes into. That type and
//! contract do say the same is proven by [`crate::testing::check_type`] for every record, against the library that walks the schema.

mod de;
mod ser;

pub use de::read;
pub use ser::write;

/// Why a value is no plain record, or bytes are none.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    fn new(what: impl Into<String>) -> Error {
        Error(what.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(what: T) -> Error {
        Error(what.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(what: T) -> Error {
        Error(what.to_string())
    }
}

/// The index of null, and of the other, in every union of a contract.
const UNION_NULL: i64 = 0;
const UNION_SOME: i64 = 1;

#[cfg(test)]
mod tests;
