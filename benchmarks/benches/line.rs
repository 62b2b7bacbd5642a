//! What an order costs before anything is written: the whole line, the planner, and the codec.
use std::hint::black_box;

use benchmarks::in_memory::Alone;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::order::event::OrderEvent;
use domain::planner;
use schemas::codec::Codec;
use schemas::topics;

/// Where the shipped catalog is.
fn at_the_root() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::env::set_current_dir(root).expect("the workspace is where it was built");
}

fn line(criterion: &mut Criterion) {
    at_the_root();
    let mut alone = Alone::new().expect("the shipped catalog loads");
    criterion.bench_function("line/w6", |bencher| {
        bencher.iter(|| black_box(alone.order().expect("the order ends well")));
    });
}

/// The first event of this name among those of one order, as it lies on the topic.
fn event(alone: &mut Alone, name: &str) -> Vec<u8> {
    let written = alone.order().expect("the order ends well");
    let mut events = written.into_iter().filter(|record| &*record.topic == topics::ORDER_EVENTS);
    let found = events.find_map(|record| {
        let value = record.value?;
        (alone.codec.record_name(&value).ok()? == name).then_some(value)
    });
    found.expect("every order of the workload has it").to_vec()
}

fn codec(criterion: &mut Criterion) {
    at_the_root();
    let mut alone = Alone::new().expect("the shipped catalog loads");
    for name in ["OrderCaptured", "OrderDecomposed", "TaskStateChanged"] {
        let bytes = event(&mut alone, name);
        let codec: &Codec = &alone.codec;
        let decoded = codec.decode_event(&bytes).expect("our own record");
        criterion.bench_function(&format!("codec/decode/{name}"), |bencher| {
            bencher.iter(|| black_box(codec.decode_event(&bytes).expect("our own record")));
        });
        criterion.bench_function(&format!("codec/encode/{name}"), |bencher| {
            bencher.iter(|| black_box(codec.encode_event(&decoded).expect("our own record")));
        });
    }
}

fn plan(criterion: &mut Criterion) {
    at_the_root();
    let mut alone = Alone::new().expect("the shipped catalog loads");
    let bytes = event(&mut alone, "OrderValidated");
    let Ok(OrderEvent::OrderValidated(validated)) = alone.codec.decode_event(&bytes) else {
        panic!("an event of this name was asked for");
    };
    criterion.bench_function("planner/w6", |bencher| {
        bencher.iter(|| {
            black_box(planner::decompose(&validated.order, alone.catalog()).expect("it has a plan"))
        });
    });
}

criterion_group!(benches, line, codec, plan);
criterion_main!(benches);
