//! One record on Kafka's own wire, by nobody's client: what no client lets its user write. After the protocol's description, request
//! "Produce" in its version 3, and record batches of magic 2.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use runtime::Outgoing;

const ANSWER_WAIT: Duration = Duration::from_secs(30);
const PRODUCE: i16 = 0;
const VERSION: i16 = 3;
const CORRELATION: i32 = 1;
const ALL_COPIES: i16 = -1;
const BATCH_MAGIC: i8 = 2;
/// Neither leader's epoch nor producer are known to whoever writes it.
const UNKNOWN: i64 = -1;
/// Castagnoli's polynomial, reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Puts a record into the partition that it names, with one more header, whose name are these bytes; gives its offset.
///
/// # Panics
/// The broker on this port does not take it, or answers otherwise than by the protocol.
#[track_caller]
pub fn produce(port: u16, topic: &str, record: &Outgoing, name: &[u8], value: &[u8]) -> i64 {
    let mut headers: Vec<(&[u8], &[u8])> =
        record.headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
    headers.push((name, value));
    let batch = batch(record, &headers);
    let mut request = Vec::new();
    request.extend(PRODUCE.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    text(&mut request, "by-hand");
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend(ALL_COPIES.to_be_bytes());
    request.extend(30_000_i32.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    text(&mut request, topic);
    request.extend(1_i32.to_be_bytes());
    request.extend(record.partition.expect("it names its partition").to_be_bytes());
    request.extend(length(&batch).to_be_bytes());
    request.extend(&batch);
    let answer = ask(port, &request);
    // Behind the correlation: how many topics, the topic's name, how many partitions, the partition; then error and offset.
    let (_, rest) = answer.split_at(4 + 4 + 2 + topic.len() + 4 + 4);
    let error = i16::from_be_bytes(rest[..2].try_into().expect("two bytes"));
    assert_eq!(error, 0, "the broker refuses it");
    i64::from_be_bytes(rest[2..10].try_into().expect("eight bytes"))
}

#[track_caller]
fn ask(port: u16, request: &[u8]) -> Vec<u8> {
    let mut broker = TcpStream::connect(("127.0.0.1", port)).expect("the broker runs");
    broker.set_read_timeout(Some(ANSWER_WAIT)).expect("a socket");
    broker.write_all(&length(request).to_be_bytes()).expect("the broker listens");
    broker.write_all(request).expect("the broker listens");
    let mut size = [0; 4];
    broker.read_exact(&mut size).expect("the broker answers");
    let mut answer = vec![0; i32::from_be_bytes(size) as usize];
    broker.read_exact(&mut answer).expect("the broker answers");
    answer
}

fn batch(record: &Outgoing, headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut body = vec![0]; // attributes
    varint(&mut body, 0); // later than the batch
    varint(&mut body, 0); // behind its offset
    for part in [record.key.as_deref(), record.value.as_deref()] {
        match part {
            Some(bytes) => sized(&mut body, bytes),
            None => varint(&mut body, -1),
        }
    }
    varint(&mut body, headers.len() as i64);
    for (name, value) in headers {
        sized(&mut body, name);
        sized(&mut body, value);
    }
    let mut checked = 0_i16.to_be_bytes().to_vec(); // attributes
    checked.extend(0_i32.to_be_bytes()); // the last offset of the batch
    checked.extend(record.timestamp_ms.to_be_bytes());
    checked.extend(record.timestamp_ms.to_be_bytes());
    checked.extend(UNKNOWN.to_be_bytes());
    checked.extend((UNKNOWN as i16).to_be_bytes());
    checked.extend((UNKNOWN as i32).to_be_bytes());
    checked.extend(1_i32.to_be_bytes());
    sized(&mut checked, &body);
    let mut counted = (UNKNOWN as i32).to_be_bytes().to_vec();
    counted.extend(BATCH_MAGIC.to_be_bytes());
    counted.extend(checksum(&checked).to_be_bytes());
    counted.extend(checked);
    let mut batch = 0_i64.to_be_bytes().to_vec();
    batch.extend(length(&counted).to_be_bytes());
    batch.extend(counted);
    batch
}

fn length(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("a small record")
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(i16::try_from(text.len()).expect("a short name").to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn sized(bytes: &mut Vec<u8>, part: &[u8]) {
    varint(bytes, part.len() as i64);
    bytes.extend(part);
}

/// Zigzag, seven bits a byte, the lowest first.
fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// CRC-32C.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |rest: u32, _| (rest >> 1) ^ (POLYNOMIAL & (rest & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), step))
}
