//! How many bytes a value takes in a record, without writing it: so that what would not fit is refused by a rule, with a reason, and
//! not by the log.
//!
//! Counted as Avro writes it, field by field, and rounded up where a contract could choose: an absent value and the mark of a present
//! one are a byte each, a number as many as its zigzag form takes, text its length and its bytes. A test in `schemas` holds it against
//! the codec.
use serde::ser::{self, Serialize};

/// What the length of a list takes where it is not known beforehand.
const LENGTH_BYTES_MAX: usize = 10;

/// The bytes of a value in a record, never fewer than there are.
///
/// # Panics
/// If a type's own `Serialize` fails: ours are derived, or write text.
pub fn encoded_bytes_max<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut counted = Counter(0);
    value.serialize(&mut counted).expect("the counter itself never fails");
    counted.0
}

struct Counter(usize);

/// Nothing here fails; a type's own `Serialize` could.
#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: std::fmt::Display>(message: T) -> Failed {
        Failed(message.to_string())
    }
}

/// Seven bits a byte, after the sign went into the lowest bit.
fn zigzag_bytes(number: i64) -> usize {
    let plain = ((number << 1) ^ (number >> 63)) as u64;
    (64 - (plain | 1).leading_zeros() as usize).div_ceil(7)
}

impl Counter {
    fn whole(&mut self, number: i64) -> Result<(), Failed> {
        self.0 += zigzag_bytes(number);
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<(), Failed> {
        self.0 += zigzag_bytes(i64::try_from(length).unwrap_or(i64::MAX)) + length;
        Ok(())
    }
}

macro_rules! wholes {
    ($($method:ident: $kind:ty),+) => {$(
        fn $method(self, number: $kind) -> Result<(), Failed> {
            self.whole(i64::from(number))
        }
    )+};
}

impl<'c> ser::Serializer for &'c mut Counter {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = &'c mut Counter;
    type SerializeTuple = &'c mut Counter;
    type SerializeTupleStruct = &'c mut Counter;
    type SerializeTupleVariant = &'c mut Counter;
    type SerializeMap = &'c mut Counter;
    type SerializeStruct = &'c mut Counter;
    type SerializeStructVariant = &'c mut Counter;

    wholes! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32
    }

    fn serialize_u64(self, number: u64) -> Result<(), Failed> {
        self.whole(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn serialize_bool(self, _: bool) -> Result<(), Failed> {
        self.0 += 1;
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Result<(), Failed> {
        self.0 += 4;
        Ok(())
    }

    fn serialize_f64(self, _: f64) -> Result<(), Failed> {
        self.0 += 8;
        Ok(())
    }

    fn serialize_char(self, c: char) -> Result<(), Failed> {
        self.bytes(c.len_utf8())
    }

    fn serialize_str(self, text: &str) -> Result<(), Failed> {
        self.bytes(text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Failed> {
        self.bytes(bytes.len())
    }

    fn serialize_none(self) -> Result<(), Failed> {
        self.0 += 1;
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failed> {
        self.0 += 1;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failed> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failed> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Failed> {
        // No enum of ours has more symbols than two bytes tell apart, whatever their sequence in the contract.
        self.0 += 2;
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.0 += 2;
        value.serialize(self)
    }

    /// One block with its length, and an empty one at the end.
    fn serialize_seq(self, length: Option<usize>) -> Result<&'c mut Counter, Failed> {
        let known = length.map(|length| zigzag_bytes(i64::try_from(length).unwrap_or(i64::MAX)));
        self.0 += known.unwrap_or(LENGTH_BYTES_MAX) + 1;
        Ok(self)
    }

    fn serialize_tuple(self, length: usize) -> Result<&'c mut Counter, Failed> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<&'c mut Counter, Failed> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        length: usize,
    ) -> Result<&'c mut Counter, Failed> {
        self.serialize_seq(Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<&'c mut Counter, Failed> {
        self.serialize_seq(length)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<&'c mut Counter, Failed> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<&'c mut Counter, Failed> {
        self.0 += 2;
        Ok(self)
    }
}

macro_rules! parts {
    ($($kind:ident: $method:ident),+) => {$(
        impl ser::$kind for &mut Counter {
            type Ok = ();
            type Error = Failed;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Failed> {
                Ok(())
            }
        }
    )+};
}
parts! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

macro_rules! named_parts {
    ($($kind:ident),+) => {$(
        impl ser::$kind for &mut Counter {
            type Ok = ();
            type Error = Failed;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Failed> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Failed> {
                Ok(())
            }
        }
    )+};
}
named_parts! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for &mut Counter {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Failed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_take_what_avro_gives_them() {
        for (number, bytes) in [(0, 1), (-1, 1), (63, 1), (64, 2), (-65, 2), (i64::MAX, 10), (i64::MIN, 10)] {
            assert_eq!(encoded_bytes_max(&number), bytes, "{number}");
        }
        assert_eq!(encoded_bytes_max("ab"), 3);
        assert_eq!(encoded_bytes_max(&Some("ab")), 4);
        assert_eq!(encoded_bytes_max(&None::<&str>), 1);
        assert_eq!(encoded_bytes_max(&"x".repeat(100)), 102);
    }
}
