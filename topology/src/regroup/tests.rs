use super::*;
use crate::graph::Processor::*;

fn fused() -> Grouping {
    Grouping::first(&SubTopology::defaults())
}

fn split() -> Grouping {
    Grouping::first(&SubTopology::split())
}

/// Three groups of orders, one of which stays what it is when the others change.
fn half(first: &str, second: &str) -> Grouping {
    let mut groups = SubTopology::defaults();
    let group = |name: &str, processors: &[Processor]| SubTopology {
        name: name.to_owned(),
        processors: processors.to_vec(),
        workers: 1,
    };
    groups[0] = group(first, &[Capture, Validation, Decomposition]);
    groups.push(group(second, &[Orchestration]));
    groups.push(group("watchers", &[Fallout, StuckOrders]));
    Grouping::first(&groups)
}

/// A partition from 2 to 10, with a mark of a transaction behind the last record.
fn at(stream: Stream, next: &[(&str, i64)]) -> Partition {
    let next = next.iter().map(|(group, next)| ((*group).to_owned(), *next)).collect();
    Partition { stream, partition: 3, begin: 2, last: 10, end: 11, next }
}

/// Where groups go on, or what is in the way; of products and downstreams nothing is said.
#[track_caller]
fn check(old: &Grouping, new: &Grouping, partitions: &[Partition], expected: &str) {
    let shown = match plan(old, new, partitions) {
        Ok(carried) => {
            let line = |it: &Carried| format!("{} {:?} {}", it.group, it.stream, it.next_offset);
            carried.iter().map(line).collect::<Vec<_>>().join("; ")
        }
        Err(obstacles) => obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    };
    assert_eq!(shown, expected);
}

use Stream::{Feedback, Heartbeats, OrderEvents, OrderRequests, OrderSignals};

#[test]
fn taken_apart_each_goes_on_where_all_stood_and_hears_only_what_comes() {
    // What the fused group passed in memory lies before the end.
    check(
        &fused(),
        &split(),
        &[at(OrderEvents, &[])],
        "decomposition OrderEvents 11; fallout OrderEvents 11; \
          orchestration OrderEvents 11; stuckOrders OrderEvents 11; validation OrderEvents 11",
    );
    check(
        &fused(),
        &split(),
        &[at(Feedback, &[("orders", 5)])],
        "orchestration Feedback 5; validation Feedback 5",
    );
    check(&fused(), &split(), &[at(OrderRequests, &[("orders", 7)])], "capture OrderRequests 7");
    check(&fused(), &split(), &[at(OrderSignals, &[])], "orchestration OrderSignals 2");
}

#[test]
fn joined_they_go_on_only_where_all_is_heard_and_read_equally_far() {
    let heard = |fallout| {
        let names = ["validation", "decomposition", "orchestration", "stuckOrders"].map(|name| (name, 11));
        at(OrderEvents, &[&names[..], &[("fallout", fallout)]].concat())
    };
    // The last record ends at 10, whatever marks lie behind it.
    check(&split(), &fused(), &[heard(10)], "");
    check(
        &split(),
        &fused(),
        &[heard(8)],
        "group \"fallout\" has 2 records of partition 3 of topic \"orderstream.order.events\" still to hear",
    );
    check(
        &split(),
        &fused(),
        &[at(Feedback, &[("validation", 6), ("orchestration", 6)])],
        "orders Feedback 6",
    );
    check(
        &split(),
        &fused(),
        &[at(Feedback, &[("validation", 10), ("orchestration", 11)])],
        "orders Feedback 10",
    );
    check(
        &split(),
        &fused(),
        &[at(Feedback, &[("validation", 6), ("orchestration", 4)])],
        "partition 3 of topic \"orderstream.feedback\" is read up to 4 by group \"orchestration\" and up to 6 by group \"validation\", \
           and they shall be read as one",
    );
    // Of a partition that one never read it has everything before it.
    check(
        &split(),
        &fused(),
        &[at(Feedback, &[("validation", 6)])],
        "partition 3 of topic \"orderstream.feedback\" is read up to 2 by group \"orchestration\" and up to 6 by group \"validation\", \
           and they shall be read as one",
    );
    check(&split(), &fused(), &[at(OrderRequests, &[("capture", 4)])], "orders OrderRequests 4");
    let beats = Processor::ALL.map(|processor| (processor.name(), if processor == Fallout { 6 } else { 4 }));
    check(&split(), &fused(), &[at(Heartbeats, &beats)], "orders Heartbeats 6; products Heartbeats 4");
}

#[test]
fn a_group_that_stays_what_it_is_goes_on_where_it_stands_by_any_name() {
    let events = at(OrderEvents, &[("front", 10), ("tasks", 10), ("watchers", 4)]);
    // Nobody else's hearing is any of its business.
    check(
        &half("front", "tasks"),
        &half("intake", "tasks"),
        std::slice::from_ref(&events),
        "intake OrderEvents 10; tasks OrderEvents 10; watchers OrderEvents 4",
    );
    let mut joined = half("front", "tasks");
    let tasks = joined.groups.remove("tasks").unwrap();
    joined.groups.get_mut("front").unwrap().extend(tasks);
    check(
        &half("front", "tasks"),
        &joined,
        std::slice::from_ref(&events),
        // Joined, they pass each other all that they hear.
        "watchers OrderEvents 4",
    );
    check(
        &half("front", "tasks"),
        &fused(),
        &[events],
        "group \"watchers\" has 6 records of partition 3 of topic \"orderstream.order.events\" still to hear",
    );
}

/// Whatever is carried, every stream of every group has a place, and there and back again nothing has moved that was read.
#[test]
fn there_and_back_every_position_is_what_it_was() {
    let streams = [
        OrderEvents,
        OrderRequests,
        OrderSignals,
        Feedback,
        Heartbeats,
        Stream::ProductRequests,
        Stream::Observations,
    ];
    let settled = |next: &BTreeMap<(String, Stream), i64>| -> Vec<Partition> {
        let of = |stream: Stream| {
            let here = next.iter().filter(|((_, of), _)| *of == stream);
            let here: Vec<(&str, i64)> = here.map(|((group, _), next)| (group.as_str(), *next)).collect();
            at(stream, &here)
        };
        streams.into_iter().map(of).collect()
    };
    let after = |old: &Grouping, new: &Grouping, next: &BTreeMap<(String, Stream), i64>| {
        let carried = plan(old, new, &settled(next)).unwrap();
        let places: BTreeMap<_, _> =
            carried.into_iter().map(|it| ((it.group, it.stream), it.next_offset)).collect();
        for group in new.subtopologies() {
            for stream in group.streams().into_iter().filter(|stream| streams.contains(stream)) {
                assert!(places.contains_key(&(group.name.clone(), stream)), "{} {stream:?}", group.name);
            }
        }
        places
    };
    let begun: BTreeMap<(String, Stream), i64> = [
        (("orders", OrderRequests), 7),
        (("orders", OrderSignals), 3),
        (("orders", Feedback), 5),
        (("orders", Heartbeats), 9),
        (("products", Heartbeats), 8),
        (("products", Stream::ProductRequests), 4),
        (("downstreams", Stream::Observations), 6),
    ]
    .into_iter()
    .map(|((group, stream), next)| ((group.to_owned(), stream), next))
    .collect();
    let apart = after(&fused(), &split(), &begun);
    assert_eq!(after(&split(), &fused(), &apart), begun);
}

#[test]
fn a_grouping_is_the_same_whatever_the_sequence_and_the_workers_and_reads_as_it_was_kept() {
    let mut groups = SubTopology::defaults();
    groups.reverse();
    groups[2].processors.reverse();
    groups[2].workers = 9;
    assert!(fused().is(&groups) && !split().is(&groups));
    let next = fused().next(&SubTopology::split());
    assert_eq!((next.epoch, next.is(&SubTopology::split())), (2, true));
    let kept = serde_json::to_string(&fused()).unwrap();
    assert!(
        kept.starts_with(r#"{"epoch":1,"groups":{"downstreams":["downstream"],"orders":["capture","#),
        "{kept}"
    );
    assert_eq!(serde_json::from_str::<Grouping>(&kept).unwrap(), fused());
}

#[test]
fn what_must_be_settled_is_the_events_and_what_several_read() {
    let groups = SubTopology::split();
    let of = |name: &str| groups.iter().find(|group| group.name == name).unwrap().streams_to_settle(&groups);
    assert_eq!(of("capture"), []);
    assert_eq!(of("orchestration"), [OrderEvents, Feedback]);
    assert_eq!(of("fallout"), [OrderEvents]);
    let groups = SubTopology::defaults();
    assert!(
        groups.iter().all(|group| group.streams_to_settle(&groups).is_empty()),
        "all is passed in memory"
    );
}
