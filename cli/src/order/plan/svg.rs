//! The plan as a picture that needs nothing but itself: no script, no font, no address. It follows the reader's light or dark theme.
use super::graph::{Graph, Kind, Node};
use super::layout::{Layout, Place, Route, Sizes, layout};
use crate::order::word;
use crate::text::{printable, shortened};

const SIZES: Sizes = Sizes { node_width: 240, node_height: 62, gap: 24, layer_gap: 46, bend_width: 12 };
/// Around everything.
const MARGIN: i64 = 20;
/// For title and legend above the graph.
const HEAD_HEIGHT: i64 = 64;
/// The narrowest picture: title and legend have to fit.
const WIDTH_MIN: i64 = 760;
/// As many characters of the fonts below fit into a box.
const LINE_CHARS_MAX: usize = 34;

/// Light first; a reader in the dark gets the other. State is a word in every box, too: colour alone is not for everybody.
const STYLE: &str = "
  text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; font-size: 12px; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .paper { fill: #ffffff; }
  .edge { fill: none; stroke: #8c959f; stroke-width: 1.2; }
  .tip { fill: #8c959f; }
  rect { stroke-width: 1.5; }
  .waiting rect { fill: #f6f8fa; stroke: #59636e; stroke-dasharray: 4 3; }
  .active rect { fill: #ddf4ff; stroke: #0969da; }
  .troubled rect { fill: #fff8c5; stroke: #9a6700; }
  .failed rect { fill: #ffebe9; stroke: #cf222e; stroke-width: 2.5; }
  .done rect { fill: #dafbe1; stroke: #1a7f37; }
  .dropped rect { fill: #eaeef2; stroke: #8c959f; stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .paper { fill: #0d1117; }
    .edge { stroke: #6e7681; }
    .tip { fill: #6e7681; }
    .waiting rect { fill: #161b22; stroke: #9198a1; }
    .active rect { fill: #0c2d6b; stroke: #58a6ff; }
    .troubled rect { fill: #3b2300; stroke: #d29922; }
    .failed rect { fill: #4c0f12; stroke: #f85149; }
    .done rect { fill: #0f3d1e; stroke: #3fb950; }
    .dropped rect { fill: #21262d; stroke: #6e7681; }
  }
";

pub fn render(graph: &Graph) -> String {
    let made = layout(graph.nodes.len(), &graph.reduced_edges(), SIZES);
    let width = (made.width + 2 * MARGIN).max(WIDTH_MIN);
    let height = made.height + HEAD_HEIGHT + 2 * MARGIN;
    let title = escaped(&graph.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"{}\">{title}</text>\n",
        MARGIN + 14
    );
    legend(&mut svg, graph);
    svg.push_str(&format!("<g transform=\"translate({MARGIN} {})\">\n", MARGIN + HEAD_HEIGHT));
    body(&mut svg, graph, &made);
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// How many tasks stand where, in the words of the boxes.
fn legend(svg: &mut String, graph: &Graph) {
    let counts: Vec<String> =
        graph.counts().iter().map(|(state, count)| format!("{} {count}", word(state))).collect();
    let line = if counts.is_empty() { graph.absence.to_owned() } else { counts.join(" · ") };
    svg.push_str(&format!("<text class=\"quiet\" x=\"{MARGIN}\" y=\"{}\">{line}</text>\n", MARGIN + 36));
}

/// Edges first, so that boxes lie above them.
fn body(svg: &mut String, graph: &Graph, made: &Layout) {
    for route in &made.routes {
        edge(svg, route);
    }
    for (node, place) in graph.nodes.iter().zip(&made.places) {
        task(svg, node, *place);
    }
}

/// A line that leaves and arrives upright, with an arrow's tip.
fn edge(svg: &mut String, route: &Route) {
    let mut path = String::new();
    let mut last: Option<(i64, i64)> = None;
    for (x, y) in &route.points {
        match last {
            None => path.push_str(&format!("M{x} {y}")),
            Some((from, _)) if from == *x => path.push_str(&format!("V{y}")),
            Some((from, above)) => {
                let middle = (above + y) / 2;
                path.push_str(&format!("C{from} {middle} {x} {middle} {x} {y}"));
            }
        }
        last = Some((*x, *y));
    }
    svg.push_str(&format!("<path class=\"edge\" d=\"{path}\"/>\n"));
    if let Some((x, y)) = last {
        svg.push_str(&format!(
            "<path class=\"tip\" d=\"M{} {}L{} {}L{x} {y}Z\"/>\n",
            x - 4,
            y - 7,
            x + 4,
            y - 7
        ));
    }
}

fn task(svg: &mut String, node: &Node, place: Place) {
    let line = |text: &str| escaped(&shortened(&printable(text), LINE_CHARS_MAX));
    let attempt = if node.attempt > 1 { format!(", attempt {}", node.attempt) } else { String::new() };
    svg.push_str(&format!(
        "<g class=\"{}\" transform=\"translate({} {})\"><title>{}</title>\
         <rect width=\"{}\" height=\"{}\" rx=\"6\"/>\
         <text x=\"10\" y=\"19\">{}</text><text class=\"quiet\" x=\"10\" y=\"36\">{}</text>\
         <text x=\"10\" y=\"53\">{}</text></g>\n",
        Kind::of(node.state).name(),
        place.x,
        place.y,
        escaped(&super::tooltip(node)),
        SIZES.node_width,
        SIZES.node_height,
        line(&node.task_type),
        line(&format!("{}, item {}{attempt}", node.component, node.item)),
        line(&format!("{}, {}", word(&node.state), node.system)),
    ));
}

/// Text of XML: markup is text, and what acts or is not allowed at all is shown as its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        for c in printable(line).chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // The two that XML 1.0 allows nowhere, beside the control characters.
                '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
                c => escaped.push(c),
            }
        }
        escaped.push_str(end);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::graph::testing::graph;
    use super::*;

    /// The names of all elements, after a check that they nest and that no text holds markup.
    fn elements(svg: &str) -> Result<Vec<String>, String> {
        let (mut open, mut names, mut rest) = (Vec::new(), Vec::new(), svg);
        while let Some((text, after)) = rest.split_once('<') {
            if text.contains('>') && open.last().map(String::as_str) != Some("style") {
                return Err(format!("markup in text: {text}"));
            }
            let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                let opened = open.pop();
                if opened.as_deref() != Some(name) {
                    return Err(format!("{name} ends {opened:?}"));
                }
                continue;
            }
            if tag.matches('"').count() % 2 != 0 {
                return Err(format!("quotes of {tag}"));
            }
            let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
            names.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        if open.is_empty() { Ok(names) } else { Err(format!("never closed: {open:?}")) }
    }

    #[test]
    fn it_is_whole_and_hostile_names_stay_text() {
        let svg = render(&graph(5, [(0, 1), (1, 2), (0, 2), (2, 4), (3, 4)]));
        let names = elements(&svg).unwrap();
        let count = |name: &str| names.iter().filter(|found| *found == name).count();
        // The edge that others imply is left out; each edge is a line and a tip.
        assert_eq!((count("path"), count("rect"), count("title"), count("b")), (2 * 4, 1 + 5, 1 + 5, 0));
        assert!(svg.contains("&lt;b&gt;&quot;access"), "{svg}");
        assert!(svg.chars().all(|c| c == '\n' || !c.is_control()) && !svg.contains('\u{202e}'));
        assert!(svg.contains("order &quot;a&lt;b&quot;: inProgress"));
    }

    #[test]
    fn it_needs_nothing_from_elsewhere_and_reads_in_the_dark() {
        let svg = render(&graph(2, [(0, 1)]));
        let addresses = svg.matches("://").count();
        assert_eq!(addresses, 1, "the name space is the only address");
        assert!(!svg.contains("href") && !svg.contains("<script") && !svg.contains("@import"));
        assert!(svg.contains("prefers-color-scheme: dark"));
        for kind in Kind::ALL {
            assert_eq!(
                STYLE.matches(&format!(".{} rect", kind.name())).count(),
                2,
                "light and dark: {kind:?}"
            );
        }
    }

    #[test]
    fn a_state_is_shown_by_word_and_a_plan_that_is_not_there_is_said() {
        assert!(render(&graph(1, [])).contains(">completed, net&quot;work"));
        let nothing = render(&graph(0, []));
        assert!(nothing.contains("no plan yet"));
        elements(&nothing).unwrap();
    }
}
