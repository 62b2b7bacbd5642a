//! Tables for people. Whatever a cell holds is only shown, no word is ever broken, and what is not as wide as the table is told below each
//! other instead: keys, ids and times are copied from here.
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, TableComponent, Width};
use unicode_width::UnicodeWidthStr;

use crate::text::printable;

/// How wide a table with lines between its rows is where no terminal says it: what goes into a file or another program.
const COLUMNS_DEFAULT: usize = 120;
/// Left and right of every cell.
const PADDING: usize = 2;
/// What is told of a row below its first cell.
const INDENT: usize = 2;
const BETWEEN_PARTS: &str = "  ";

/// What stands in one place: a text, or several below each other.
pub struct Cell(Vec<String>);

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell(vec![printable(&text)])
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell(vec![printable(text)])
    }
}

impl From<Vec<String>> for Cell {
    fn from(lines: Vec<String>) -> Cell {
        Cell(lines.iter().map(|line| printable(line)).collect())
    }
}

impl Cell {
    /// The width of its longest line; where it may be broken, of its longest word.
    fn widest(&self, is_whole: bool) -> usize {
        let lines = self.0.iter().map(String::as_str);
        let widest = |line: &str| line.split(' ').map(UnicodeWidthStr::width).max().unwrap_or_default();
        lines.map(|line| if is_whole { line.width() } else { widest(line) }).max().unwrap_or_default()
    }
}

/// Rows below a header.
pub struct Table {
    header: Vec<&'static str>,
    /// Columns that are not broken between words either.
    whole: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// Many rows, without lines between them; each stays on one line where no terminal bounds it, for whoever searches them.
    is_list: bool,
}

/// A table with lines between its rows.
pub fn table(header: &[&'static str]) -> Table {
    Table { header: header.to_vec(), whole: Vec::new(), rows: Vec::new(), is_list: false }
}

/// A table of many rows, without lines between them.
pub fn list_table(header: &[&'static str]) -> Table {
    Table { is_list: true, ..table(header) }
}

impl Table {
    /// With columns of names that may consist of several words.
    pub fn whole(self, columns: &[&'static str]) -> Table {
        assert!(columns.iter().all(|column| self.header.contains(column)), "each is a column of the table");
        Table { whole: columns.to_vec(), ..self }
    }

    pub fn add_row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let row: Vec<Cell> = cells.into_iter().map(Into::into).collect();
        assert_eq!(row.len(), self.header.len(), "as many cells as columns");
        self.rows.push(row);
    }

    /// The table within so many columns; without a number, as a file or another program gets it.
    fn rendered(&self, columns: Option<usize>) -> String {
        let narrowest = self.narrowest();
        let needed: usize = narrowest.iter().map(|width| width + PADDING).sum();
        match columns {
            Some(columns) if needed > columns => self.below_each_other(columns),
            Some(columns) => self.side_by_side(&narrowest, Some(columns)),
            None if self.is_list => self.side_by_side(&narrowest, None),
            None => self.side_by_side(&narrowest, Some(COLUMNS_DEFAULT.max(needed))),
        }
    }

    /// The width of each column with every word, or every cell where it stays whole, on one line.
    fn narrowest(&self) -> Vec<usize> {
        let of_column = |(column, header): (usize, &&'static str)| {
            let is_whole = self.whole.contains(header);
            let cells = self.rows.iter().map(|row| row[column].widest(is_whole));
            // A header may be of several words, whatever stands below it.
            let words = header.split(' ').map(UnicodeWidthStr::width);
            cells.chain(words).max().unwrap_or_default()
        };
        self.header.iter().enumerate().map(of_column).collect()
    }

    fn side_by_side(&self, narrowest: &[usize], columns: Option<usize>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(&self.header);
        if self.is_list {
            table
                .remove_style(TableComponent::HorizontalLines)
                .remove_style(TableComponent::MiddleIntersections)
                .remove_style(TableComponent::LeftBorderIntersections)
                .remove_style(TableComponent::RightBorderIntersections);
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.0.join("\n")));
        }
        let Some(columns) = columns else {
            table.set_content_arrangement(ContentArrangement::Disabled);
            return table.to_string();
        };
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(saturated(columns));
        let bounds = narrowest
            .iter()
            .map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(saturated(width + PADDING))));
        table.set_constraints(bounds);
        table.to_string()
    }

    /// Each row as its first cell, and below it what the others say. Empty ones say nothing.
    fn below_each_other(&self, columns: usize) -> String {
        let mut lines = Vec::new();
        for row in &self.rows {
            let mut cells = row.iter().zip(&self.header);
            let Some((first, _)) = cells.next() else { continue };
            lines.extend(first.0.iter().cloned());
            let parts: Vec<String> = cells
                .flat_map(|(cell, header)| cell.0.iter().map(move |line| (line, *header)))
                .filter(|(line, _)| !line.is_empty())
                .map(
                    |(line, header)| {
                        if header.is_empty() { line.clone() } else { format!("{header}: {line}") }
                    },
                )
                .collect();
            lines.extend(flowing(&parts, columns.saturating_sub(INDENT)));
        }
        lines.join("\n")
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The library asks the terminal, where standard output is one.
        f.write_str(&self.rendered(comfy_table::Table::new().width().map(usize::from)))
    }
}

/// Parts one after another on indented lines: a part goes on a line of its own before it is broken, and then between words alone.
fn flowing(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let fits = |line: &str, between: &str, more: &str| {
        line.is_empty() || line.width() + between.width() + more.width() <= columns
    };
    for part in parts {
        if !fits(&line, BETWEEN_PARTS, part) {
            lines.push(std::mem::take(&mut line));
        }
        for (number, word) in part.split(' ').enumerate() {
            let between = if number == 0 { BETWEEN_PARTS } else { " " };
            if !fits(&line, between, word) {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push_str(between);
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines.retain(|line| !line.is_empty());
    lines.into_iter().map(|line| format!("{:INDENT$}{line}", "")).collect()
}

/// The library counts columns in 16 bits.
fn saturated(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "TMF/orderNumber/DEMO 000001";
    const AT: &str = "2026-11-21T20:27:07.338Z";

    fn orders() -> Table {
        let mut orders =
            list_table(&["order", "state", "open cases", "captured", "because"]).whole(&["order"]);
        orders.add_row([KEY, "inProgress", "", AT, "the line is busy, and will be for a good while yet"]);
        orders
    }

    #[track_caller]
    fn check(table: &Table, columns: Option<usize>, expected: &str) {
        let found = table.rendered(columns);
        let lines: Vec<&str> =
            found.lines().map(str::trim_end).filter(|line| !line.starts_with('─')).collect();
        assert_eq!(lines.join("\n").trim_matches('\n'), expected.trim_matches('\n'), "\n{found}");
        if let Some(columns) = columns {
            assert!(found.lines().all(|line| line.width() <= columns || !line.contains(' ')), "\n{found}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_table_wraps_between_words_and_leaves_keys_and_times_whole() {
        check(&orders(), Some(120), "
 order                         state        open cases   captured                   because
════════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
 TMF/orderNumber/DEMO 000001   inProgress                2026-11-21T20:27:07.338Z   the line is busy, and will be for a
                                                                                    good while yet
");
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_too_narrow_for_a_table_is_told_below_each_other() {
        check(&orders(), Some(80), "
TMF/orderNumber/DEMO 000001
  state: inProgress  captured: 2026-11-21T20:27:07.338Z
  because: the line is busy, and will be for a good while yet
");
        check(&orders(), Some(30), "
TMF/orderNumber/DEMO 000001
  state: inProgress
  captured:
  2026-11-21T20:27:07.338Z
  because: the line is busy,
  and will be for a good while
  yet
");
    }

    #[test]
    fn in_every_width_each_key_and_time_stands_on_one_line() {
        for columns in 20..200 {
            let found = orders().rendered(Some(columns));
            for name in [KEY, AT, "inProgress"] {
                assert!(found.lines().any(|line| line.contains(name)), "{columns} columns:\n{found}");
            }
        }
    }

    #[test]
    fn a_row_of_a_list_is_one_line_for_a_program_and_a_table_is_no_wider_than_it_must_be() {
        let list = orders().rendered(None);
        assert!(list.lines().any(|line| line.contains(KEY) && line.contains("good while yet")), "{list}");
        let mut rules = table(&["rule", "message"]);
        rules.add_row(["1", &"a word ".repeat(50)]);
        let rules = rules.rendered(None);
        assert!(rules.lines().all(|line| line.width() <= COLUMNS_DEFAULT), "{rules}");
    }

    #[test]
    fn what_acts_in_a_cell_is_shown_and_a_cell_forges_no_row() {
        let mut hostile = table(&["key", "answers"]);
        hostile.add_row([Cell::from("E\nX/1"), vec!["\u{1b}[31mRED".to_owned(), "b\u{0}".to_owned()].into()]);
        for columns in [None, Some(80), Some(10)] {
            let found = hostile.rendered(columns);
            assert!(found.contains("E\\u{a}X/1") && found.contains("\\u{1b}[31mRED"), "{found}");
            assert!(found.chars().all(|c| c == '\n' || !c.is_control()), "{found:?}");
        }
    }
}
