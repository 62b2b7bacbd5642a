//! Deleting the history of orders that ended long ago.
use domain::Timestamp;
use domain::order::{OrderState, OrderTrigger};
use projection::PRUNED_ORDERS_MAX;

use crate::on_both;
use crate::story::{self, STARTED_AT, order_records};

const ENDED_AT: Timestamp = Timestamp(STARTED_AT + 40_000);

#[tokio::test]
async fn only_the_history_of_orders_that_ended_before_is_deleted_and_that_is_said() {
    on_both(async |place| {
        let (ended, open) = (story::key("1"), story::key("2"));
        let events = [story::whole(&ended), story::until_planned(&open)].concat();
        let projection = place.projected(order_records(0, events)).await;
        assert_eq!(
            projection.prune_history(ENDED_AT).await.unwrap(),
            0,
            "it ended at that time, and not before"
        );
        assert_eq!(projection.prune_history(Timestamp(ENDED_AT.0 + 1)).await.unwrap(), 1);
        let view = projection.order(&ended).await.unwrap().unwrap();
        assert_eq!((view.history.len(), view.history_begins_late), (0, true));
        assert_eq!(
            (view.tasks.len(), view.case_list.len(), view.submission_list.len()),
            (2, 1, 3),
            "the rest stays"
        );
        let view = projection.order(&open).await.unwrap().unwrap();
        assert!(!view.history.is_empty() && !view.history_begins_late);
        assert_eq!(projection.prune_history(Timestamp(ENDED_AT.0 + 1)).await.unwrap(), 0, "once");
    })
    .await;
}

#[tokio::test]
async fn many_orders_are_done_in_steps_and_one_that_ends_later_again_is_not_passed_over() {
    on_both(async |place| {
        let total = PRUNED_ORDERS_MAX + 3;
        let name = |number: usize| story::key(&format!("{number:04}"));
        // All end at one instant: the place to go on from is not the time alone.
        let events = (0..total).flat_map(|number| {
            let key = name(number);
            let ended = story::order_moved(
                &key,
                40,
                OrderState::InProgress,
                OrderState::Completed,
                OrderTrigger::AllItemsDone,
            );
            [story::captured(&key, 0, 1), ended]
        });
        let projection = place.projected(order_records(0, events.collect())).await;
        let before = Timestamp(ENDED_AT.0 + 1);
        assert_eq!(projection.prune_history(before).await.unwrap(), PRUNED_ORDERS_MAX);
        assert_eq!(projection.prune_history(before).await.unwrap(), 3);
        assert_eq!(projection.prune_history(before).await.unwrap(), 0);
        let again = story::order_moved(
            &name(0),
            90,
            OrderState::InProgress,
            OrderState::Completed,
            OrderTrigger::AllItemsDone,
        );
        projection.apply(order_records(10_000, vec![again])).await.unwrap();
        assert_eq!(projection.history(&name(0), -1).await.unwrap().len(), 1);
        assert_eq!(projection.prune_history(Timestamp(STARTED_AT + 91_000)).await.unwrap(), 1);
        assert_eq!(projection.history(&name(0), -1).await.unwrap().len(), 0);
    })
    .await;
}
