//! What holds of the plan of every order.
use proptest::prelude::*;

use super::orders::{self, item, order, relate};
use super::*;
use crate::catalog::Catalog;

/// Items of every kind, in quantities, with relations only from later ones to earlier ones: so there is no circle.
fn any_order() -> impl Strategy<Value = (Order, Vec<usize>)> {
    let one = (0..7usize, 1..4u32, proptest::option::of(0..8usize), 0..3usize);
    proptest::collection::vec(one, 1..8)
        .prop_flat_map(|picks| {
            let sequence = Just((0..picks.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(picks), sequence)
        })
        .prop_map(|(picks, sequence)| (built(&shipped(), &picks), sequence))
}

fn built(catalog: &Catalog, picks: &[(usize, u32, Option<usize>, usize)]) -> Order {
    let mut items = Vec::new();
    for (index, (kind, quantity, target, word)) in picks.iter().enumerate() {
        let id = format!("i{index}");
        let mut made = match kind {
            0 => orders::dsl(&id),
            1 => orders::home_internet(&id),
            2 => orders::mobile(&id, 1),
            3 => item(&id, "W6", &[]),
            4 => item(&id, "14344", &[]),
            5 => item(&id, "14305", &[("TEL_MSISDN", "12345".into())]),
            _ => item(&id, "businessSubscription", &[]),
        };
        made.quantity = *quantity;
        if let Some(target) = target.filter(|target| *target < index) {
            relate(&mut made, ["reliesOn", "requires", "likes"][*word], &format!("i{target}"));
        }
        items.push(made);
    }
    order(catalog, items)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sequence_of_the_items_does_not_matter((order, sequence) in any_order()) {
        let first = plan(&order);
        let mut shuffled = order.clone();
        shuffled.items = sequence.into_iter().map(|index| order.items[index].clone()).collect();
        prop_assert_eq!(plan(&shuffled), first);
    }

    #[test]
    fn predecessors_are_there_and_nothing_waits_for_itself((order, _) in any_order()) {
        let plan = plan(&order);
        let sequence = graph::sequence(&plan.tasks).expect("no cycle");
        let place: BTreeMap<TaskId, usize> = sequence.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let service_orders: BTreeSet<_> = plan.service_orders.iter().map(|order| order.id).collect();
        for task in &plan.tasks {
            prop_assert!(task.predecessors.is_sorted());
            prop_assert!(task.predecessors.iter().all(|id| place[id] < place[&task.id]));
            prop_assert!(service_orders.contains(&task.service_order));
            for input in &task.inputs {
                prop_assert_eq!(input.value.is_some(), input.task.is_none());
                prop_assert!(input.task.is_none_or(|id| task.predecessors.contains(&id)));
            }
        }
    }

    #[test]
    fn quantity_multiplies_the_tasks((order, _) in any_order()) {
        let tasks_of = |plan: &Plan, id: &str| plan.tasks.iter().filter(|task| task.item_id.as_str() == id).count();
        let many = plan(&order);
        let mut single = order.clone();
        single.items.iter_mut().for_each(|item| item.quantity = 1);
        let single = plan(&single);
        for item in &order.items {
            let (many, single) = (tasks_of(&many, item.id.as_str()), tasks_of(&single, item.id.as_str()));
            prop_assert_eq!(many, single * item.quantity as usize);
        }
    }

    #[test]
    fn raising_a_quantity_leaves_what_is_there_as_it_is((order, _) in any_order()) {
        let before: BTreeSet<TaskId> = plan(&order).tasks.iter().map(|task| task.id).collect();
        let mut more = order.clone();
        more.items.iter_mut().for_each(|item| item.quantity += 1);
        let after: BTreeSet<TaskId> = plan(&more).tasks.iter().map(|task| task.id).collect();
        prop_assert!(before.is_subset(&after) && before.len() < after.len());
    }
}
