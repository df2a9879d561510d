//! Writes pieces of HTML from text. All text is escaped; only code between backticks becomes markup.

/// The text with the characters of markup escaped.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The escaped text, in which words between backticks are code. A backtick without a partner stays as it is.
pub fn prose(text: &str) -> String {
    let mut pieces = text.split('`').peekable();
    let mut prose = pieces.next().map(escaped).unwrap_or_default();
    while let Some(piece) = pieces.next() {
        match pieces.next() {
            Some(after) => prose += &format!("<code>{}</code>{}", escaped(piece), escaped(after)),
            None => prose += &format!("`{}", escaped(piece)),
        }
    }
    prose
}

/// The paragraphs of a text, which has empty lines between them.
pub fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>\n", prose(paragraph))).collect()
}

/// A word or a value as code.
pub fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Several lines of code under a title; nothing for an empty text.
pub fn block(title: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("<h4>{}</h4>\n<pre tabindex=\"0\">{}</pre>\n", escaped(title), escaped(text))
    }
}

/// A table under a title; nothing without rows. A table that is wider than the screen scrolls on its own.
pub fn table<const N: usize>(title: &str, columns: [&str; N], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() { String::new() } else { format!("<h4>{title}</h4>\n") };
    let head: String = columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    format!(
        "{title}<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// A row of a table. The cells are markup already.
pub fn row<const N: usize>(cells: [String; N]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}</tr>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(prose("send `a<b` or `c`."), "send <code>a&lt;b</code> or <code>c</code>.");
        assert_eq!(prose("one ` alone"), "one ` alone");
        assert_eq!(prose("`all`"), "<code>all</code>");
        assert_eq!(prose(""), "");
    }

    #[test]
    fn an_empty_line_parts_paragraphs() {
        assert_eq!(paragraphs("One\nline.\n\nTwo."), "<p>One\nline.</p>\n<p>Two.</p>\n");
        assert_eq!(paragraphs(""), "");
    }
}
