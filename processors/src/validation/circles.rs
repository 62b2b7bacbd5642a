//! Who needs one another in a circle. Once around for each edge: an order may have thousands, of an adversary's choice.
use std::collections::{BTreeMap, BTreeSet};

use domain::ItemId;

type Edges<'o> = BTreeSet<(&'o ItemId, &'o ItemId)>;

/// Those in circles, and on the ways between them. An edge is who needs, and who is needed.
pub(super) fn of<'o>(edges: &Edges<'o>) -> BTreeSet<&'o ItemId> {
    let mut left = edges.clone();
    // Whoever needs nothing is in no circle; then, among the others, whoever is needed by nothing.
    for _ in 0..2 {
        let ended = ended(&left);
        left.retain(|(needing, needed)| !ended.contains(needing) && !ended.contains(needed));
        left = left.into_iter().map(|(needing, needed)| (needed, needing)).collect();
    }
    left.into_iter().map(|edge| edge.0).collect()
}

/// Those from whom every way ends.
fn ended<'o>(edges: &Edges<'o>) -> BTreeSet<&'o ItemId> {
    let mut open: BTreeMap<&ItemId, usize> = BTreeMap::new();
    let mut back: BTreeMap<&ItemId, Vec<&ItemId>> = BTreeMap::new();
    for (from, to) in edges {
        *open.entry(from).or_default() += 1;
        open.entry(to).or_default();
        back.entry(to).or_default().push(from);
    }
    let mut next: Vec<&ItemId> = open.iter().filter(|(_, ways)| **ways == 0).map(|(id, _)| *id).collect();
    let mut ended = BTreeSet::new();
    while let Some(id) = next.pop() {
        ended.insert(id);
        for from in back.get(id).into_iter().flatten() {
            let Some(ways) = open.get_mut(from) else { continue };
            *ways -= 1;
            if *ways == 0 {
                next.push(from);
            }
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(edges: &[(&str, &str)], expected: &[&str]) {
        let ids: Vec<(ItemId, ItemId)> = edges.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let edges: Edges<'_> = ids.iter().map(|(a, b)| (a, b)).collect();
        let found: Vec<&str> = of(&edges).into_iter().map(ItemId::as_str).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn circles_and_the_ways_between_them_are_left_and_nothing_else() {
        check(&[], &[]);
        check(&[("a", "b"), ("b", "c"), ("a", "c")], &[]);
        check(&[("a", "a")], &["a"]);
        check(&[("in", "a"), ("a", "b"), ("b", "a"), ("b", "out")], &["a", "b"]);
        check(
            &[("a", "b"), ("b", "a"), ("b", "m"), ("m", "x"), ("x", "y"), ("y", "x")],
            &["a", "b", "m", "x", "y"],
        );
    }
}
