//! What holds of every layout, and how large the largest are.
use proptest::prelude::*;

use super::*;

const SIZES: Sizes = Sizes { node_width: 100, node_height: 40, gap: 20, layer_gap: 50, bend_width: 10 };

/// What must hold of every layout.
#[track_caller]
fn check(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let made = layout(nodes, edges, SIZES);
    assert_eq!(made, layout(nodes, edges, SIZES), "equal input, equal output");
    assert_eq!((made.places.len(), made.routes.len()), (nodes, edges.len()));
    let mut rows: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
    for place in &made.places {
        assert_eq!(place.y, place.layer as i64 * (SIZES.node_height + SIZES.layer_gap));
        assert!(place.x >= 0 && place.x + SIZES.node_width <= made.width);
        assert!(place.y + SIZES.node_height <= made.height);
        rows.entry(place.layer).or_default().push(*place);
    }
    for row in rows.values_mut() {
        row.sort_by_key(|place| place.x);
        // Layers lie apart, so boxes can overlap in a row only.
        assert!(row.windows(2).all(|pair| pair[0].x + SIZES.node_width < pair[1].x), "{row:?}");
    }
    for (route, (from, to)) in made.routes.iter().zip(edges) {
        assert!(made.places[*from].layer < made.places[*to].layer, "every edge goes down a layer");
        let middle = |node: &usize| made.places[*node].x + SIZES.node_width / 2;
        assert_eq!(route.points.first(), Some(&(middle(from), made.places[*from].y + SIZES.node_height)));
        assert_eq!(route.points.last(), Some(&(middle(to), made.places[*to].y)));
        assert!(route.points.windows(2).all(|pair| pair[0].1 < pair[1].1), "and goes only down: {route:?}");
    }
    made
}

/// Whether a route of a routed edge runs through a box in a layer that it passes.
fn runs_through_a_box(made: &Layout) -> bool {
    made.routes.iter().any(|route| {
        route.points[1..route.points.len() - 1].iter().any(|(x, y)| {
            made.places.iter().any(|place| {
                let inside = place.x < *x && *x < place.x + SIZES.node_width;
                inside && (place.y..=place.y + SIZES.node_height).contains(y)
            })
        })
    })
}

/// The width of a row of as many boxes and lines as there may be.
const WIDTH_MAX: i64 = COLUMNS_MAX as i64 * (SIZES.node_width + SIZES.gap)
    + LAYER_BENDS_MAX as i64 * (SIZES.bend_width + SIZES.gap);

#[test]
fn many_pieces_of_work_lie_below_each_other_and_each_stays_together() {
    // As an order of 500 items: first all first tasks, then all that follow.
    let pieces = 500;
    let edges: Vec<(usize, usize)> = (0..pieces)
        .flat_map(|piece| [(piece, pieces + piece), (pieces + piece, 2 * pieces + piece)])
        .collect();
    let made = check(3 * pieces, &edges);
    assert!(made.width <= COLUMNS_MAX as i64 * (SIZES.node_width + SIZES.gap), "{}", made.width);
    assert!(
        made.routes.iter().all(|route| route.points.len() == 2),
        "each task lies right below the one before"
    );
    assert!(!runs_through_a_box(&made));
}

#[test]
fn what_hundreds_wait_for_and_what_waits_for_hundreds_is_reached_around_the_boxes() {
    let edges: Vec<(usize, usize)> = (1..501).flat_map(|node| [(0, node), (node, 501)]).collect();
    let made = check(502, &edges);
    assert!(made.width <= WIDTH_MAX, "{}", made.width);
    assert!(!runs_through_a_box(&made));
    let is_routed = |route: &Route| {
        let layers = made.places[route.to].layer - made.places[route.from].layer;
        route.points.len() == 2 * layers
    };
    assert!(made.routes.iter().all(is_routed), "no line is drawn across");
}

#[test]
fn a_chain_is_a_straight_line_and_a_layer_a_row() {
    let chain = check(3, &[(0, 1), (1, 2)]);
    assert!(chain.places.iter().all(|place| place.x == 0));
    assert_eq!((chain.width, chain.height), (100, 220));
    assert_eq!(check(2, &[]).width, 220);
    assert_eq!(check(0, &[]), Layout::default());
}

#[test]
fn lines_that_can_be_untangled_do_not_cross() {
    // Three chains whose second nodes stand in the wrong sequence.
    let edges = [(0, 5), (1, 4), (2, 3)];
    let made = check(6, &edges);
    let mut by_start: Vec<(i64, i64)> =
        made.routes.iter().map(|route| (route.points[0].0, route.points[1].0)).collect();
    by_start.sort_unstable();
    assert!(by_start.is_sorted_by_key(|(_, end)| *end), "{by_start:?}");
}

#[test]
fn a_long_edge_goes_around_the_boxes_between() {
    let made = check(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    assert_eq!(made.routes[3].points.len(), 6);
    assert!(!runs_through_a_box(&made));
}

/// A seeded sequence of numbers below a bound, the same everywhere.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    }
}

/// The most boxes, and the most places of edges, that lie in one layer: what each sweep goes through.
fn fullest_layer(made: &Layout) -> (usize, usize) {
    let mut boxes: BTreeMap<i64, usize> = BTreeMap::new();
    let mut bends: BTreeMap<i64, std::collections::BTreeSet<i64>> = BTreeMap::new();
    made.places.iter().for_each(|place| *boxes.entry(place.y).or_default() += 1);
    for route in &made.routes {
        // Each has two points, its upper one first.
        for (x, y) in route.points[1..route.points.len() - 1].iter().step_by(2) {
            bends.entry(*y).or_default().insert(*x);
        }
    }
    let boxes = boxes.into_values().max().unwrap_or_default();
    (boxes, bends.into_values().map(|places| places.len()).max().unwrap_or_default())
}

#[test]
fn the_largest_plans_take_bounded_room_in_each_layer_and_in_all() {
    let nodes = domain::limits::PLAN_TASKS_MAX;
    let mut number = numbers(7);
    let wild: Vec<(usize, usize)> =
        (1..nodes).flat_map(|to| [number(to), number(to), number(to)].map(|from| (from, to))).collect();
    let chain_and_shortcuts: Vec<(usize, usize)> =
        (1..nodes).map(|to| (to - 1, to)).chain((2..nodes).map(|to| (to / 2, to))).collect();
    let star: Vec<(usize, usize)> = (1..nodes).map(|to| (0, to)).collect();
    for edges in [wild, chain_and_shortcuts, star, Vec::new()] {
        let made = check(nodes, &edges);
        let bends: usize = made.routes.iter().map(|route| (route.points.len() - 2) / 2).sum();
        assert!(bends <= BENDS_MAX);
        assert!(made.width <= WIDTH_MAX, "{}", made.width);
        let (boxes, bends) = fullest_layer(&made);
        assert!(boxes <= COLUMNS_MAX && bends <= LAYER_BENDS_MAX, "{boxes} boxes, {bends} bends");
    }
}

proptest! {
    #[test]
    fn no_boxes_overlap_and_every_edge_goes_down(
        nodes in 1_usize..60,
        pairs in prop::collection::vec((any::<u16>(), any::<u16>()), 0..150),
    ) {
        let edge = |(a, b): (u16, u16)| (usize::from(a) % nodes, usize::from(b) % nodes);
        let mut edges: Vec<(usize, usize)> =
            pairs.into_iter().map(edge).filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
        edges.sort_unstable();
        edges.dedup();
        let made = check(nodes, &edges);
        prop_assert!(!runs_through_a_box(&made));
        prop_assert!(made.width <= WIDTH_MAX);
    }

    #[test]
    fn the_nearest_ascending_sequence_ascends_and_keeps_the_mean(wanted in prop::collection::vec(-1e3..1e3_f64, 1..40)) {
        let fitted = ascending(&wanted);
        prop_assert!(fitted.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!((fitted.iter().sum::<f64>() - wanted.iter().sum::<f64>()).abs() < 1e-6);
        if wanted.is_sorted() {
            prop_assert_eq!(fitted, wanted);
        }
    }
}
