//! Text of others, where people read it: in a log, on a terminal.
use std::borrow::Cow;

/// Whether a character does something else than be seen: control characters move cursors and forge lines of a log; Unicode's directional
/// formatting (UAX #9), its invisible characters and its line separators show one thing and mean another.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text on one line, deceptive characters by their numbers (`\u{1b}`).
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_deceptive(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// The text of another system as it is kept: at most `bytes_max` of it, shown as [`shown`] shows it.
pub fn kept(text: &str, bytes_max: usize) -> String {
    let cut = &text[..text.floor_char_boundary(bytes_max)];
    let mut kept = shown(cut).into_owned();
    // Escapes are longer than what they stand for.
    kept.truncate(kept.floor_char_boundary(bytes_max));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_is_shown_by_its_number_and_the_rest_as_it_is() {
        assert_eq!(shown("Straße 🏠 7"), "Straße 🏠 7");
        assert_eq!(shown("a\nERROR\u{1b}[2J"), "a\\u{a}ERROR\\u{1b}[2J");
        assert_eq!(shown("abc\u{202e}321"), "abc\\u{202e}321");
        assert_eq!((kept("Straße", 5), kept("\n\n", 7)), ("Stra".to_owned(), "\\u{a}\\u".to_owned()));
    }
}
