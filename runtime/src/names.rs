//! Names that come again and again, of headers and topics: each is allocated once.

use std::collections::HashMap;
use std::sync::Arc;

/// How many are kept; outsiders may invent more, and those are allocated each time.
const NAMES_KEPT_MAX: usize = 256;

/// The names that one reader or writer has met.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: HashMap<Arc<str>, Arc<str>>,
}

impl Names {
    /// The name, shared with all earlier uses of it.
    pub fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        if self.known.len() < NAMES_KEPT_MAX {
            self.known.insert(new.clone(), new.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shared_and_those_of_a_flood_are_not_kept() {
        let mut names = Names::default();
        let first = names.shared("ce_id");
        assert!(Arc::ptr_eq(&first, &names.shared("ce_id")));
        for number in 0..2 * NAMES_KEPT_MAX {
            assert_eq!(*names.shared(&number.to_string()), *number.to_string());
        }
        assert_eq!(names.known.len(), NAMES_KEPT_MAX);
        assert!(Arc::ptr_eq(&first, &names.shared("ce_id")));
    }
}
