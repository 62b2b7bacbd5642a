//! Where everything of a picture lies: a layered layout (Sugiyama's) of a graph without cycles.
//!
//! A node lies as many layers down as its longest way from a beginning is long, and further down where a layer is full: so wide plans grow
//! downwards, one piece of work below the other. An edge over several layers goes through a place in each layer between, which it shares with
//! others of the end that has more of them. Within the layers, sweeps down and up put every node near the middle of its neighbours (the
//! barycenter), and the sequence with the fewest crossings is kept. Then each layer is moved as near to its neighbours as the distances
//! allow, which is a regression on a line: solved exactly, and without overlaps by construction.
//!
//! Invariant: equal input, equal output. Nothing here is drawn by lot, and no sequence depends on an address or a hash.
use std::collections::BTreeMap;

/// Sweeps over all layers, down and up, that look for fewer crossings; more change little in plans of ours.
const ORDER_SWEEPS: usize = 8;
/// Sweeps that move the layers against each other.
const PLACE_SWEEPS: usize = 6;
/// The most nodes of a layer: as many boxes side by side can be looked at.
pub const COLUMNS_MAX: usize = 8;
/// The most places of edges in a layer, and in all routes together; longest edges last. What has none is drawn straight from end to end: it
/// may cross boxes, and takes neither room nor time.
pub const LAYER_BENDS_MAX: usize = 40;
const BENDS_MAX: usize = 200_000;

/// In pixels.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub node_width: i64,
    pub node_height: i64,
    /// Between boxes of a layer.
    pub gap: i64,
    /// Between layers.
    pub layer_gap: i64,
    /// The width of a place that an edge goes through.
    pub bend_width: i64,
}

/// Where a node lies: its upper left corner, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub layer: usize,
    pub x: i64,
    pub y: i64,
}

/// An edge, from the lower side of a box to the upper side of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub from: usize,
    pub to: usize,
    /// At least two; each lies lower than the one before.
    pub points: Vec<(i64, i64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub width: i64,
    pub height: i64,
    /// By node.
    pub places: Vec<Place>,
    /// By edge.
    pub routes: Vec<Route>,
}

/// Lays out `nodes` nodes and edges that each go from a lower to a higher node.
///
/// # Panics
/// If an edge does not, or names a node that is not there.
pub fn layout(nodes: usize, edges: &[(usize, usize)], sizes: Sizes) -> Layout {
    assert!(edges.iter().all(|(from, to)| from < to && *to < nodes), "edges go from lower to higher nodes");
    let layer_of = layers(nodes, edges);
    let mut cells = Cells::new(&layer_of, edges);
    cells.sort_out_crossings();
    let xs = cells.place(sizes);
    let pitch = sizes.node_height + sizes.layer_gap;
    let places: Vec<Place> = (0..nodes)
        .map(|node| Place {
            layer: layer_of[node],
            x: xs[node] - sizes.node_width / 2,
            y: i64::try_from(layer_of[node]).unwrap_or(i64::MAX / pitch).saturating_mul(pitch),
        })
        .collect();
    let route = |(edge, (from, to)): (usize, &(usize, usize))| {
        let mut points = vec![(xs[*from], places[*from].y + sizes.node_height)];
        for bend in &cells.bends[edge] {
            let top = i64::try_from(cells.layer[*bend]).unwrap_or_default() * pitch;
            points.extend([(xs[*bend], top), (xs[*bend], top + sizes.node_height)]);
        }
        points.push((xs[*to], places[*to].y));
        Route { from: *from, to: *to, points }
    };
    let right = |cell: usize| xs[cell] + cells.width(cell, sizes) / 2;
    Layout {
        width: (0..xs.len()).map(right).max().unwrap_or_default(),
        height: places.iter().map(|place| place.y + sizes.node_height).max().unwrap_or_default(),
        routes: edges.iter().enumerate().map(route).collect(),
        places,
    }
}

/// The layer of each node: the length of its longest way from a node without predecessors, or the next one that has room. What follows from
/// a node is laid out before what does not, so that it lies near.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut waits_for, mut successors) = (vec![0_usize; nodes], vec![Vec::new(); nodes]);
    for (from, to) in edges {
        waits_for[*to] += 1;
        successors[*from].push(*to);
    }
    let mut layer: Vec<usize> = vec![0; nodes];
    let mut taken: Vec<usize> = Vec::new();
    let mut ready: Vec<usize> = (0..nodes).rev().filter(|node| waits_for[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        while taken.get(layer[node]).is_some_and(|taken| *taken >= COLUMNS_MAX) {
            layer[node] += 1;
        }
        taken.resize(taken.len().max(layer[node] + 1), 0);
        taken[layer[node]] += 1;
        for next in successors[node].iter().rev() {
            layer[*next] = layer[*next].max(layer[node] + 1);
            waits_for[*next] -= 1;
            if waits_for[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    layer
}

/// The bends of each edge, and `layer` longer by the layers of all. Edges of one end go together as far as they have the same way.
fn bends(layer: &mut Vec<usize>, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let nodes = layer.len();
    let mut edges_of = vec![(0_usize, 0_usize); nodes];
    for (from, to) in edges {
        edges_of[*from].0 += 1;
        edges_of[*to].1 += 1;
    }
    let span = |edge: &usize| layer[edges[*edge].1] - layer[edges[*edge].0];
    let mut shortest_first: Vec<usize> = (0..edges.len()).collect();
    shortest_first.sort_by_key(|edge| (span(edge), *edge));
    let mut bends = vec![Vec::new(); edges.len()];
    let mut shared: BTreeMap<(usize, bool, usize), usize> = BTreeMap::new();
    let (mut of_layer, mut given) = (vec![0_usize; layer.iter().max().map_or(0, |last| last + 1)], 0);
    for edge in shortest_first {
        let (from, to) = edges[edge];
        let between = layer[from] + 1..layer[to];
        let is_of_from = edges_of[from].0 >= edges_of[to].1;
        let place = |at: usize| (if is_of_from { from } else { to }, is_of_from, at);
        given += between.len();
        let has_room = |at: usize| shared.contains_key(&place(at)) || of_layer[at] < LAYER_BENDS_MAX;
        if given > BENDS_MAX || !between.clone().all(has_room) {
            given -= between.len();
            continue;
        }
        for at in between {
            let bend = *shared.entry(place(at)).or_insert_with(|| {
                layer.push(at);
                of_layer[at] += 1;
                layer.len() - 1
            });
            bends[edge].push(bend);
        }
    }
    bends
}

/// What takes up room in a layer: the nodes, and behind them the bends of edges.
struct Cells {
    nodes: usize,
    layer: Vec<usize>,
    /// The cells of each layer, from left to right.
    rows: Vec<Vec<usize>>,
    /// Neighbours one layer up, and one layer down.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// By edge: its bends from above to below.
    bends: Vec<Vec<usize>>,
}

impl Cells {
    fn new(layer_of: &[usize], edges: &[(usize, usize)]) -> Cells {
        let mut layer = layer_of.to_vec();
        let bends = bends(&mut layer, edges);
        let mut rows = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        layer.iter().enumerate().for_each(|(cell, layer)| rows[*layer].push(cell));
        let mut links: Vec<(usize, usize)> = Vec::new();
        for ((from, to), bends) in edges.iter().zip(&bends) {
            // An edge over several layers without places is drawn apart, and moves nothing.
            if layer_of[*to] - layer_of[*from] == bends.len() + 1 {
                let stops: Vec<usize> = [*from].iter().chain(bends).chain([to]).copied().collect();
                links.extend(stops.windows(2).map(|pair| (pair[0], pair[1])));
            }
        }
        links.sort_unstable();
        links.dedup();
        let (mut above, mut below) = (vec![Vec::new(); layer.len()], vec![Vec::new(); layer.len()]);
        for (upper, lower) in links {
            below[upper].push(lower);
            above[lower].push(upper);
        }
        Cells { nodes: layer_of.len(), layer, rows, above, below, bends }
    }

    fn width(&self, cell: usize, sizes: Sizes) -> i64 {
        if cell < self.nodes { sizes.node_width } else { sizes.bend_width }
    }

    /// The rows of a sweep, in its sequence.
    fn sweep(&self, downwards: bool) -> Vec<usize> {
        if downwards { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() }
    }

    fn neighbours(&self, cell: usize, downwards: bool) -> &[usize] {
        if downwards { &self.above[cell] } else { &self.below[cell] }
    }

    /// The mean of what the neighbours have, or what the cell has itself.
    fn mean(&self, cell: usize, downwards: bool, of: &[f64]) -> f64 {
        let near = self.neighbours(cell, downwards);
        if near.is_empty() {
            of[cell]
        } else {
            near.iter().map(|near| of[*near]).sum::<f64>() / near.len() as f64
        }
    }

    fn sort_out_crossings(&mut self) {
        let mut rank = vec![0.0; self.layer.len()];
        let number = |row: &[usize], rank: &mut [f64]| {
            row.iter().enumerate().for_each(|(at, cell)| rank[*cell] = at as f64);
        };
        self.rows.iter().for_each(|row| number(row, &mut rank));
        let mut best = (self.crossings(), self.rows.clone());
        for turn in 0..ORDER_SWEEPS {
            let downwards = turn % 2 == 0;
            for at in self.sweep(downwards) {
                let mut row = std::mem::take(&mut self.rows[at]);
                let wanted: Vec<(f64, usize)> =
                    row.iter().map(|cell| (self.mean(*cell, downwards, &rank), *cell)).collect();
                let mut sorted = wanted;
                // Stable: equal ones keep their sequence.
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                row.clear();
                row.extend(sorted.into_iter().map(|(_, cell)| cell));
                number(&row, &mut rank);
                self.rows[at] = row;
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    /// How often lines between neighbouring layers cross.
    fn crossings(&self) -> u64 {
        let mut rank = vec![0; self.layer.len()];
        for row in &self.rows {
            row.iter().enumerate().for_each(|(at, cell)| rank[*cell] = at);
        }
        let mut crossings = 0;
        for pair in self.rows.windows(2) {
            let mut seen = Counts::new(pair[1].len());
            let mut total = 0;
            for upper in &pair[0] {
                let mut ends: Vec<usize> = self.below[*upper].iter().map(|lower| rank[*lower]).collect();
                ends.sort_unstable();
                for end in &ends {
                    crossings += total - seen.up_to(*end);
                }
                for end in &ends {
                    seen.add(*end);
                    total += 1;
                }
            }
        }
        crossings
    }

    /// The middle of each cell. No row goes beyond the widest, or beyond the width of a full one.
    fn place(&self, sizes: Sizes) -> Vec<i64> {
        let full = COLUMNS_MAX as i64 * (sizes.node_width + sizes.gap);
        let widest = self.rows.iter().map(|row| self.row_width(row, sizes)).max().unwrap_or_default();
        let bound = widest.max(full) as f64;
        let mut middle = vec![0.0; self.layer.len()];
        for row in &self.rows {
            let (offsets, left) = (self.offsets(row, sizes), -(self.row_width(row, sizes) as f64) / 2.0);
            row.iter().zip(offsets).for_each(|(cell, offset)| middle[*cell] = left + offset);
        }
        for turn in 0..PLACE_SWEEPS {
            let downwards = turn % 2 == 0;
            for at in self.sweep(downwards) {
                let row = &self.rows[at];
                let (offsets, width) = (self.offsets(row, sizes), self.row_width(row, sizes) as f64);
                let wanted: Vec<f64> = row
                    .iter()
                    .zip(&offsets)
                    .map(|(cell, offset)| self.mean(*cell, downwards, &middle) - offset)
                    .collect();
                for ((cell, offset), fit) in row.iter().zip(&offsets).zip(ascending(&wanted)) {
                    middle[*cell] = fit.clamp(-bound / 2.0, bound / 2.0 - width) + offset;
                }
            }
        }
        let left = |(cell, middle): (usize, &f64)| middle - self.width(cell, sizes) as f64 / 2.0;
        let leftmost = middle.iter().enumerate().map(left).fold(f64::INFINITY, f64::min);
        // Rounded up alike: two neighbours come at most one pixel nearer, and the gap is larger.
        middle.iter().map(|middle| (middle - leftmost).ceil() as i64).collect()
    }

    /// With its cells as near to each other as they may be.
    fn row_width(&self, row: &[usize], sizes: Sizes) -> i64 {
        let widths: i64 = row.iter().map(|cell| self.width(*cell, sizes) + sizes.gap).sum();
        (widths - sizes.gap).max(0)
    }

    /// The middles of the cells of a row that are as near to each other as they may be.
    fn offsets(&self, row: &[usize], sizes: Sizes) -> Vec<f64> {
        let mut right = 0;
        let middle = |cell: &usize| {
            let width = self.width(*cell, sizes);
            let middle = right as f64 + width as f64 / 2.0;
            right += width + sizes.gap;
            middle
        };
        row.iter().map(middle).collect()
    }
}

/// The ascending sequence that is nearest to `wanted` by the sum of squares: neighbours that would overtake are pooled at their mean.
fn ascending(wanted: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::with_capacity(wanted.len());
    for value in wanted {
        let (mut sum, mut count) = (*value, 1);
        while let Some((before, size)) = pools.last().copied()
            && before / size as f64 > sum / count as f64
        {
            sum += before;
            count += size;
            pools.pop();
        }
        pools.push((sum, count));
    }
    pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count)).collect()
}

/// Counts with sums from the beginning, both in logarithmic time (Fenwick's tree).
struct Counts(Vec<u64>);

impl Counts {
    fn new(size: usize) -> Counts {
        Counts(vec![0; size + 1])
    }

    fn add(&mut self, at: usize) {
        let mut at = at + 1;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many were added at `at` or before.
    fn up_to(&self, at: usize) -> u64 {
        let (mut at, mut sum) = (at + 1, 0);
        while at > 0 {
            sum += self.0[at];
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests;
