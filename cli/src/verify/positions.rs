//! How far each group has read: never further than there is.
use runtime::log::embedded::Inspection;

use super::Check;

pub(crate) struct Positions {
    pub check: Check,
    /// Every group has read all there is.
    pub is_quiet: bool,
}

pub(crate) fn check(log: &Inspection) -> Positions {
    let mut check = Check::new("positions");
    let mut is_quiet = true;
    for topic in log.topics().iter().map(|spec| spec.name.to_string()) {
        let (bounds, groups) = match (log.bounds(&topic), log.groups(&topic)) {
            (Ok(bounds), Ok(groups)) => (bounds, groups),
            (Err(error), _) | (_, Err(error)) => {
                check.unreadable(format!("topic {topic}"), &error);
                continue;
            }
        };
        for group in groups {
            for (partition, (next, (begin, end))) in group.next_offsets.iter().zip(&bounds).enumerate() {
                check.looked_at += 1;
                let next = next.unwrap_or(0);
                if next < 0 || next > *end {
                    check.find(
                        format!("group {}, topic {topic}, partition {partition}", group.name),
                        format!("its position is {next}, and the partition ends at {end}"),
                    );
                }
                is_quiet &= next.max(*begin) >= *end;
            }
        }
    }
    Positions { check, is_quiet }
}
