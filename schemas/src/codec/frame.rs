//! Confluent's framing: a zero byte, the schema's id as four bytes (big-endian), the Avro body.
use super::Error;

/// The bytes before the body.
pub const FRAME_BYTES: usize = 5;
const MAGIC: u8 = 0;

/// What stands before the body.
pub fn head(schema_id: u32) -> [u8; FRAME_BYTES] {
    let [a, b, c, d] = schema_id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

/// The schema's id and the body.
///
/// # Errors
/// [`Error::NotFramed`].
pub fn split(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    match bytes {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        _ => Err(Error::NotFramed { found: bytes.len() }),
    }
}
