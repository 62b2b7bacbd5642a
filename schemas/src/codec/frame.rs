//! Confluent's framing: a zero byte, the schema's id as four bytes (big-endian), the Avro body.
use super::Error;

/// The bytes before the body.
pub const FRAME_BYTES: usize = 5;
const MAGIC: u8 = 0;

/// A frame without its body yet, with room for a record of common size.
pub fn begin(schema_id: u32) -> Vec<u8> {
    // Most records are below this; larger ones grow once or twice.
    let mut framed = Vec::with_capacity(512);
    framed.push(MAGIC);
    framed.extend_from_slice(&schema_id.to_be_bytes());
    framed
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
