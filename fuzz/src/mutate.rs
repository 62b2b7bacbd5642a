//! Seeded changes of an input: what the ordinary tests try beside the corpus, without libFuzzer and without its coverage.

/// A small generator (SplitMix64): equal seeds give equal inputs on every machine, for as long as a test may name one.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }
}

/// Bytes that decoders treat differently from others.
const TELLING: &[u8] = b"\x00\x01\x02\x7f\x80\xff\"\\{}[],:.-+eE09 \n\t/~%";

/// One to eight changes at random places: a byte turned, put in, or taken out; a stretch repeated or moved; the end cut off.
pub fn mutated(input: &[u8], seeded: &mut Seeded) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=seeded.below(8) {
        let at = seeded.below(bytes.len() + 1);
        let telling = TELLING[seeded.below(TELLING.len())];
        match seeded.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
            1 if at < bytes.len() => bytes[at] = telling,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.insert(at, telling),
            4 => {
                let end = (at + seeded.below(64)).min(bytes.len());
                let stretch = bytes[at..end].to_vec();
                let to = seeded.below(bytes.len() + 1);
                bytes.splice(to..to, stretch);
            }
            5 if seeded.below(8) == 0 => bytes.truncate(at),
            _ => bytes.insert(at, seeded.below(256) as u8),
        }
    }
    bytes.truncate(crate::INPUT_BYTES_MAX);
    bytes
}
