//! "Did you mean": the right word that is nearest to a wrong one.

/// The nearest of the candidates; none, where nothing is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    let letters = word.chars().count().min(candidate.chars().count());
    // Every third letter wrong is about as far as a slip goes.
    (distance <= (letters / 3).max(1)).then_some(candidate)
}

/// How many letters differ; a key that only stands in a wrong section is one step away.
fn distance(word: &str, candidate: &str) -> usize {
    let last = |name: &str| name.rsplit_once('.').map(|(_, last)| last.to_owned());
    let whole = strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    match (last(word), last(candidate)) {
        (Some(found), Some(right)) if found == right => whole.min(1),
        (Some(_), Some(_)) | (None, _) | (_, None) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let names = ["log.partitions", "log.durability", "node.data_dir", "batch.bytes_max"];
        for (word, right) in [
            ("log.partitons", Some("log.partitions")),
            ("LOG.Partitions", Some("log.partitions")),
            ("node.partitions", Some("log.partitions")),
            ("node.datadir", Some("node.data_dir")),
            ("batch.max_bytes", None),
            ("kafka.brokers", None),
        ] {
            assert_eq!(nearest(word, names), right, "{word}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
