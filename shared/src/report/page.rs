//! Writes HTML. Every value goes through [`Page::text`], which escapes it.

/// A page in progress.
#[derive(Debug)]
pub(super) struct Page(String);

/// A cell of a table.
#[derive(Debug)]
pub(super) enum Cell {
    Text(String),
    Number(String),
    /// A bar whose length is this many thousandths, with the class of its colour.
    Bar(u32, &'static str),
}

impl Cell {
    /// A number; a dash where there is none.
    pub(super) fn number(number: Option<String>) -> Self {
        Self::Number(number.unwrap_or_else(|| "–".to_owned()))
    }
}

impl Page {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(32 * 1024))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Appends markup of this program.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends a value, escaped for content and for attributes in double quotes. Characters that do not show are left out.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        for character in value.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Control characters, and marks that turn the direction of a line, could disguise a value.
                control if control.is_control() => self.0.push(' '),
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                other => self.0.push(other),
            }
        }
        self
    }

    pub(super) fn heading(&mut self, text: &str) -> &mut Self {
        self.raw("<h2>").text(text).raw("</h2>\n")
    }

    pub(super) fn note(&mut self, text: &str) -> &mut Self {
        self.raw("<p class=\"note\">").text(text).raw("</p>\n")
    }

    /// Appends a table. A header that ends with `#` is that of a column of numbers.
    pub(super) fn table(&mut self, headers: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> &mut Self {
        self.raw("<table>\n<thead><tr>");
        for header in headers {
            match header.strip_suffix('#') {
                Some(header) => self.raw("<th class=\"n\" scope=\"col\">").text(header),
                None => self.raw("<th scope=\"col\">").text(header),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for (nth, cell) in row.iter().enumerate() {
                match cell {
                    Cell::Text(text) if nth == 0 => self.raw("<th scope=\"row\">").text(text).raw("</th>"),
                    Cell::Text(text) => self.raw("<td>").text(text).raw("</td>"),
                    Cell::Number(number) => self.raw("<td class=\"n\">").text(number).raw("</td>"),
                    Cell::Bar(length, class) => self.raw("<td class=\"b\">").bar(&[(*length, class)]).raw("</td>"),
                };
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n")
    }

    /// Appends a bar of pieces side by side. Each has its length in thousandths and the class of its colour.
    pub(super) fn bar(&mut self, pieces: &[(u32, &str)]) -> &mut Self {
        self.raw("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        let mut from = 0;
        for (length, class) in pieces.iter().filter(|(length, _)| *length > 0) {
            self.raw(&format!("<rect class=\"{class}\" x=\"{from}\" width=\"{length}\" height=\"10\"/>"));
            from += length;
        }
        self.raw("</svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let mut page = Page::new();
        page.text("<script>alert(\"1\") & 'x'</script>\u{202e}\n");
        assert_eq!(page.finish(), "&lt;script&gt;alert(&quot;1&quot;) &amp; &#39;x&#39;&lt;/script&gt; ");
    }
}
