//! Bytes to values. Total: whatever the bytes, the end is a value or an error, and no length in them allocates more than they hold.
use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{Error, UNION_NULL, UNION_SOME};

/// The bytes of the longest long.
const LONG_BYTES_MAX: u32 = 10;

/// Takes a value from the front of `bytes`.
///
/// # Errors
/// They are no such value.
pub fn read<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Error> {
    let mut reader = Reader { left: bytes };
    let value = T::deserialize(&mut reader)?;
    *bytes = reader.left;
    Ok(value)
}

struct Reader<'b> {
    left: &'b [u8],
}

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.left.split_first().ok_or_else(|| Error::new("the bytes end early"))?;
        self.left = rest;
        Ok(*first)
    }

    fn long(&mut self) -> Result<i64, Error> {
        let mut found = 0_u64;
        for place in 0..LONG_BYTES_MAX {
            let byte = self.byte()?;
            // The tenth byte holds the 64th bit, and nothing else.
            if place == LONG_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            found |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok((found >> 1) as i64 ^ -((found & 1) as i64));
            }
        }
        Err(Error::new("a number is longer than 64 bits"))
    }

    fn text(&mut self) -> Result<&'b str, Error> {
        let length = self.long()?;
        let bytes = usize::try_from(length).ok().and_then(|length| self.left.split_at_checked(length));
        let Some((text, rest)) = bytes else {
            return Err(Error::new(format!("a text of {length} bytes, where {} are left", self.left.len())));
        };
        self.left = rest;
        std::str::from_utf8(text).map_err(|error| Error::new(format!("a text that is not UTF-8: {error}")))
    }

    /// How many items come next; 0: the list is at its end. A negative count is followed by the block's length in bytes.
    fn block(&mut self) -> Result<usize, Error> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        // No item is smaller than a byte.
        match usize::try_from(count.unsigned_abs()) {
            Ok(count) if count <= self.left.len() => Ok(count),
            _ => Err(Error::new(format!("{count} items, where {} bytes are left", self.left.len()))),
        }
    }
}

macro_rules! refused {
    ($($name:ident: $shape:literal),+ $(,)?) => {
        $(fn $name<V: Visitor<'b>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::new(concat!($shape, ", which no contract has")))
        })+
    };
}

macro_rules! longs {
    ($($name:ident),+) => {
        $(fn $name<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i64(self.long()?)
        })+
    };
}

impl<'b> Deserializer<'b> for &mut Reader<'b> {
    type Error = Error;

    longs!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64
    );

    fn deserialize_bool<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            other => Err(Error::new(format!("a boolean of {other}"))),
        }
    }

    fn deserialize_str<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.long()? {
            UNION_NULL => visitor.visit_none(),
            UNION_SOME => visitor.visit_some(self),
            other => Err(Error::new(format!("variant {other} of a union of two"))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { reader: self, left: 0, ended: false })
    }

    fn deserialize_map<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Items { reader: self, left: 0, ended: false })
    }

    fn deserialize_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Fields { reader: self, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'b>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let index = self.long()?;
        match u32::try_from(index) {
            Ok(index) if (index as usize) < variants.len() => visitor.visit_enum(Symbol(index)),
            _ => Err(Error::new(format!("symbol {index}, where there are {}", variants.join(", ")))),
        }
    }

    refused! {
        deserialize_any: "a value of any type",
        deserialize_ignored_any: "a value of any type",
        deserialize_identifier: "a name of a field",
        deserialize_f32: "a float",
        deserialize_f64: "a float",
        deserialize_char: "a single character",
        deserialize_bytes: "bytes",
        deserialize_byte_buf: "bytes",
        deserialize_unit: "a unit",
    }

    fn deserialize_unit_struct<V: Visitor<'b>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'b>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::new("a tuple, which no contract has"))
    }

    fn deserialize_tuple_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::new("a tuple, which no contract has"))
    }
}

/// The fields of a record, in sequence.
struct Fields<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl<'b> SeqAccess<'b> for Fields<'_, 'b> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'b>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The items of a list or a map, block by block.
struct Items<'r, 'b> {
    reader: &'r mut Reader<'b>,
    /// Of the current block.
    left: usize,
    ended: bool,
}

impl Items<'_, '_> {
    /// Whether there is one more.
    fn next(&mut self) -> Result<bool, Error> {
        if self.left == 0 && !self.ended {
            self.left = self.reader.block()?;
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(false);
        }
        self.left -= 1;
        Ok(true)
    }
}

impl<'b> SeqAccess<'b> for Items<'_, 'b> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'b>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'b> MapAccess<'b> for Items<'_, 'b> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'b>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.next()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'b>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// The symbol of an enum, by its place in the contract.
struct Symbol(u32);

impl<'b> EnumAccess<'b> for Symbol {
    type Error = Error;
    type Variant = Symbol;

    fn variant_seed<V: DeserializeSeed<'b>>(self, seed: V) -> Result<(V::Value, Symbol), Error> {
        let place: U32Deserializer<Error> = self.0.into_deserializer();
        Ok((seed.deserialize(place)?, self))
    }
}

impl<'b> VariantAccess<'b> for Symbol {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'b>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error::new("an enum that carries something, which no contract has"))
    }

    fn tuple_variant<V: Visitor<'b>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::new("an enum that carries something, which no contract has"))
    }

    fn struct_variant<V: Visitor<'b>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(Error::new("an enum that carries something, which no contract has"))
    }
}
