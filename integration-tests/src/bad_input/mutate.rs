//! More bad documents: the official examples, changed by seed in what they are made of. Equal seeds give equal bytes.
use anyhow::Context;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::tmf::json::{self, Node};

/// The most changes of one document.
const CHANGES_MAX: usize = 4;
/// How often something is repeated that is made large; far below the largest document, so that hundreds of them stay cheap.
const TIMES_MAX: usize = 300;

/// Values that are wrong nearly everywhere, as JSON.
const ABSURD: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "1.5",
    "9223372036854775808",
    "123456789012345678901234567890",
    "\"\"",
    "\" \"",
    "\"\\u0000\"",
    "\"\\u001b[2J\"",
    "\"\\u202e\"",
    "\"0000-00-00T00:00:00Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"'; DROP TABLE orders; --\"",
    "\"%s%n\"",
    "\"../../etc/passwd\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"\":{}}",
    "\"add\"",
    "\"EUR\"",
];

/// A way to a value: indexes of members and entries.
type Way = Vec<usize>;

/// One example changed: the `seed`-th document.
///
/// # Errors
/// An example that is no JSON.
pub fn mutated(examples: &[(String, Vec<u8>)], seed: u64) -> anyhow::Result<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (name, bytes) = examples.choose(&mut rng).context("there are no examples")?;
    let text = std::str::from_utf8(bytes)?;
    let mut document =
        json::parse(text).map_err(|fault| anyhow::anyhow!("{name}: {}", fault.located(bytes)))?;
    // Most documents stay orders: the others have little that can be wrong with them.
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        change(&mut document, examples, &mut rng)?;
    }
    let mut bytes = document.to_json().into_bytes();
    if rng.random_ratio(1, 6) {
        corrupt(&mut bytes, &mut rng);
    }
    Ok(bytes)
}

fn change(document: &mut Node, examples: &[(String, Vec<u8>)], rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let ways = ways(document);
    let Some(way) = ways.choose(rng) else { return Ok(()) };
    match rng.random_range(0..9) {
        0 => drop_it(document, way),
        1 => repeat(document, way, 1),
        2 => replace(document, way, absurd(rng)?),
        3 => wrap(document, way, rng),
        4 => repeat(document, way, rng.random_range(1..TIMES_MAX)),
        5 => {
            if let Some(other) = ways.choose(rng) {
                swap(document, way, other);
            }
        }
        6 => enlarge(document, way, rng.random_range(1..TIMES_MAX)),
        7 => retype(document, way),
        _ => {
            // A stretch of another example, where it does not belong.
            let (_, bytes) = examples.choose(rng).context("there are no examples")?;
            let Ok(other) = json::parse(&String::from_utf8_lossy(bytes)) else { return Ok(()) };
            let found = self::ways(&other).choose(rng).and_then(|way| at(&other, way).cloned());
            replace(document, way, found.unwrap_or(Node::Null));
        }
    }
    Ok(())
}

fn absurd(rng: &mut ChaCha8Rng) -> anyhow::Result<Node> {
    let text = ABSURD.choose(rng).copied().unwrap_or("null");
    json::parse(text).map_err(|fault| anyhow::anyhow!("{text}: {}", fault.message))
}

/// The ways to everything below the document.
fn ways(document: &Node) -> Vec<Way> {
    fn walk(node: &Node, way: &mut Way, found: &mut Vec<Way>) {
        let inner: Vec<&Node> = match node {
            Node::List(nodes) => nodes.iter().collect(),
            Node::Object(members) => members.iter().map(|(_, node)| node).collect(),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => Vec::new(),
        };
        for (index, node) in inner.into_iter().enumerate() {
            way.push(index);
            found.push(way.clone());
            walk(node, way, found);
            way.pop();
        }
    }
    let mut found = Vec::new();
    walk(document, &mut Vec::new(), &mut found);
    found
}

fn inner(node: &Node, index: usize) -> Option<&Node> {
    match node {
        Node::List(nodes) => nodes.get(index),
        Node::Object(members) => members.get(index).map(|(_, node)| node),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => None,
    }
}

fn inner_mut(node: &mut Node, index: usize) -> Option<&mut Node> {
    match node {
        Node::List(nodes) => nodes.get_mut(index),
        Node::Object(members) => members.get_mut(index).map(|(_, node)| node),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => None,
    }
}

fn at<'n>(document: &'n Node, way: &[usize]) -> Option<&'n Node> {
    way.iter().try_fold(document, |node, index| inner(node, *index))
}

fn at_mut<'n>(document: &'n mut Node, way: &[usize]) -> Option<&'n mut Node> {
    way.iter().try_fold(document, |node, index| inner_mut(node, *index))
}

fn replace(document: &mut Node, way: &[usize], new: Node) {
    if let Some(node) = at_mut(document, way) {
        *node = new;
    }
}

fn drop_it(document: &mut Node, way: &[usize]) {
    let Some((index, above)) = way.split_last() else { return };
    match at_mut(document, above) {
        Some(Node::List(nodes)) => drop(nodes.remove(*index)),
        Some(Node::Object(members)) => drop(members.remove(*index)),
        Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_)) | None => {}
    }
}

/// The same entry, or the same member under the same name, more often.
fn repeat(document: &mut Node, way: &[usize], times: usize) {
    let Some((index, above)) = way.split_last() else { return };
    match at_mut(document, above) {
        Some(Node::List(nodes)) => {
            let same = nodes[*index].clone();
            nodes.extend(std::iter::repeat_n(same, times));
        }
        Some(Node::Object(members)) => {
            let same = members[*index].clone();
            members.extend(std::iter::repeat_n(same, times.min(3)));
        }
        Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_)) | None => {}
    }
}

fn wrap(document: &mut Node, way: &[usize], rng: &mut ChaCha8Rng) {
    let depth = rng.random_range(1..80);
    let Some(node) = at_mut(document, way) else { return };
    for _ in 0..depth {
        let inner = std::mem::replace(node, Node::Null);
        *node =
            if rng.random() { Node::List(vec![inner]) } else { Node::Object(vec![("x".to_owned(), inner)]) };
    }
}

fn swap(document: &mut Node, one: &[usize], other: &[usize]) {
    let (first, second) = (at(document, one).cloned(), at(document, other).cloned());
    if let (Some(first), Some(second)) = (first, second) {
        replace(document, one, second);
        // Gone, where the one lay inside of the other.
        replace(document, other, first);
    }
}

fn enlarge(document: &mut Node, way: &[usize], times: usize) {
    match at_mut(document, way) {
        Some(Node::Text(text)) => *text = text.repeat(times),
        Some(Node::Number(digits)) => digits.push_str(&"0".repeat(times)),
        Some(Node::List(nodes)) => {
            let more = nodes.clone();
            nodes.extend(std::iter::repeat_n(more, times.min(20)).flatten());
        }
        Some(Node::Object(members)) => {
            members.extend((0..times).map(|n| (format!("x{n}"), Node::Number(n.to_string()))))
        }
        Some(Node::Null | Node::Bool(_)) | None => {}
    }
}

/// Text becomes a number or an object, a number text, and so on.
fn retype(document: &mut Node, way: &[usize]) {
    let Some(node) = at_mut(document, way) else { return };
    *node = match node {
        Node::Text(text) => Node::Object(vec![("value".to_owned(), Node::Text(std::mem::take(text)))]),
        Node::Number(digits) => Node::Text(std::mem::take(digits)),
        Node::Bool(value) => Node::Number(u8::from(*value).to_string()),
        Node::List(nodes) => {
            let numbered = std::mem::take(nodes).into_iter().enumerate();
            Node::Object(numbered.map(|(index, node)| (index.to_string(), node)).collect())
        }
        Node::Object(members) => {
            Node::List(std::mem::take(members).into_iter().map(|(_, node)| node).collect())
        }
        Node::Null => Node::Bool(false),
    };
}

/// A few bytes turned, put in or taken out; or the end cut off.
fn corrupt(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=3) {
        let index = rng.random_range(0..bytes.len().max(1));
        match rng.random_range(0..4) {
            0 if index < bytes.len() => bytes[index] ^= 1 << rng.random_range(0..8),
            1 if index < bytes.len() => drop(bytes.remove(index)),
            2 => bytes.insert(index, rng.random()),
            _ => bytes.truncate(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_documents_and_others_others() {
        let examples =
            [("a".to_owned(), br#"{"productOrderItem":[{"id":"1","quantity":1}],"note":[]}"#.to_vec())];
        let documents: Vec<Vec<u8>> = (0..50).map(|seed| mutated(&examples, seed).unwrap()).collect();
        let again: Vec<Vec<u8>> = (0..50).map(|seed| mutated(&examples, seed).unwrap()).collect();
        assert_eq!(documents, again);
        let different: std::collections::BTreeSet<_> = documents.iter().collect();
        assert!(different.len() > 30, "only {} differ", different.len());
    }
}
