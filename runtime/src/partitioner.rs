//! Which partition a key belongs to: Kafka's own default, as the Java client computes it.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The 32-bit murmur2 hash of `bytes`, with the seed that Kafka uses. Source: `Utils.murmur2` of Kafka's Java client.
pub fn murmur2(bytes: &[u8]) -> i32 {
    // The Java client's length is an `int`; a key of two gigabytes is refused long before it is hashed.
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let mut mixed = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 15)) as i32
}

/// The partition of `key` among `partitions`: `toPositive(murmur2(key)) % partitions`. Source: `BuiltInPartitioner` of
/// Kafka's Java client.
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    assert!(partitions > 0, "a topic has at least one partition: opening checked it");
    (murmur2(key) & 0x7fff_ffff) as u32 % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_gives_the_values_that_kafka_publishes() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), expected, "of {key:?}");
        }
    }

    #[test]
    fn a_negative_hash_gives_a_partition_within_bounds() {
        // toPositive(-973932308) = 1173551340
        assert_eq!(partition_for(b"21", 12), 1_173_551_340 % 12);
        assert_eq!(partition_for(b"anything", 1), 0);
    }
}
