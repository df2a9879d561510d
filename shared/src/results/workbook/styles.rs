//! Styles of cells: number formats, fonts, fills and borders.

/// Appearance and number format of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellStyle {
    /// Text as it is, or a number in full.
    Plain,
    /// Name of a column.
    Header,
    /// Text that stays text when a user edits it, such as a loan number with leading zeros.
    Code,
    /// Dollars: `250,000.00`.
    Money,
    /// Percent: `97.80`, and up to four decimals.
    Percent,
    /// A whole number: `740`.
    Whole,
    /// Text that a spreadsheet would take for a formula when a user edits it.
    Quoted,
    /// Text of several lines.
    Wrapped,
    /// Title of a sheet.
    Title,
    /// A share from 0 to 1: 0.25 is shown as `25.00%`.
    Share,
    /// Heading of a table.
    Heading,
    /// A number of loans or exceptions: `1,000,000`.
    Count,
    /// Text that stays text, in a cell that keeps a loan from being bought.
    Failed,
}

impl CellStyle {
    /// This style, or [`Self::Plain`] when this style would hide decimals of the number: a score of 619.6 must not look like 620.
    pub fn without_rounding(self, number: &str) -> Self {
        let most = match self {
            Self::Money => 2,
            Self::Percent => 4,
            Self::Whole => 0,
            _ => return self,
        };
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.trim_end_matches('0').len());
        if decimals > most { Self::Plain } else { self }
    }
}

/// Number format of percentages, with its id. It is not one of the built-in formats of a workbook.
const PERCENT_FORMAT: (u32, &str) = (164, "0.00##");

/// One row for each style, in the order of [`CellStyle`]: number format, font, fill, border and further attributes.
const STYLES: [(CellStyle, u32, u8, u8, u8, &str); 13] = [
    (CellStyle::Plain, 0, 0, 0, 0, ""),
    (CellStyle::Header, 0, 1, 2, 1, ""),
    (CellStyle::Code, 49, 0, 0, 0, ""),
    (CellStyle::Money, 4, 0, 0, 0, ""),
    (CellStyle::Percent, PERCENT_FORMAT.0, 0, 0, 0, ""),
    (CellStyle::Whole, 1, 0, 0, 0, ""),
    (CellStyle::Quoted, 0, 0, 0, 0, " quotePrefix=\"1\""),
    (CellStyle::Wrapped, 0, 0, 0, 0, ""),
    (CellStyle::Title, 0, 2, 0, 0, ""),
    (CellStyle::Share, 10, 0, 0, 0, ""),
    (CellStyle::Heading, 0, 1, 0, 0, ""),
    (CellStyle::Count, 3, 0, 0, 0, ""),
    (CellStyle::Failed, 49, 0, 3, 0, ""),
];

/// The part of a workbook with the styles, as XML.
pub fn styles_xml() -> String {
    let font =
        |bold: &str, size: u8| format!("<font>{bold}<sz val=\"{size}\"/><name val=\"Calibri\"/><family val=\"2\"/></font>");
    let fonts = [font("", 11), font("<b/>", 11), font("<b/>", 14)].concat();
    let formats: String = STYLES
        .iter()
        .map(|(style, format, font, fill, border, more)| {
            let wrap = if *style == CellStyle::Wrapped { " wrapText=\"1\"" } else { "" };
            format!(
                "<xf numFmtId=\"{format}\" fontId=\"{font}\" fillId=\"{fill}\" borderId=\"{border}\" xfId=\"0\"{more} \
                 applyNumberFormat=\"1\" applyFont=\"1\" applyFill=\"1\" applyBorder=\"1\" applyAlignment=\"1\">\
                 <alignment vertical=\"top\"{wrap}/></xf>"
            )
        })
        .collect();
    let (id, code) = PERCENT_FORMAT;
    format!(
        "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
         <numFmts count=\"1\"><numFmt numFmtId=\"{id}\" formatCode=\"{code}\"/></numFmts>\
         <fonts count=\"3\">{fonts}</fonts>\
         <fills count=\"4\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill>\
         <fill><patternFill patternType=\"solid\"><fgColor rgb=\"FFE4EAF2\"/><bgColor indexed=\"64\"/></patternFill></fill>\
         <fill><patternFill patternType=\"solid\"><fgColor rgb=\"FFFFD6CC\"/><bgColor indexed=\"64\"/></patternFill></fill></fills>\
         <borders count=\"2\"><border><left/><right/><top/><bottom/><diagonal/></border>\
         <border><left/><right/><top/><bottom style=\"thin\"><color auto=\"1\"/></bottom><diagonal/></border></borders>\
         <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
         <cellXfs count=\"{}\">{formats}</cellXfs>\
         <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>",
        STYLES.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_styles() {
        for (at, row) in STYLES.iter().enumerate() {
            assert_eq!(row.0 as usize, at);
        }
    }
}
