//! Notes on cells. A workbook holds them in two parts for each sheet: the texts, and a drawing of each note.

use std::{io::Write, ops::Range};

use super::{
    WorkbookError,
    package::{RELATIONS, Workbook},
    sheet::CellNote,
    text::{column_letters, has_blanks_to_keep, push_escaped},
};

/// The entries of the parts with notes of these sheets in the list of content types.
pub fn content_types_of_notes(sheets: Range<usize>) -> String {
    if sheets.is_empty() {
        return String::new();
    }
    let types = "application/vnd.openxmlformats-officedocument";
    let mut entries = format!("<Default Extension=\"vml\" ContentType=\"{types}.vmlDrawing\"/>");
    for sheet in sheets {
        entries +=
            &format!("<Override PartName=\"/xl/comments{sheet}.xml\" ContentType=\"{types}.spreadsheetml.comments+xml\"/>");
    }
    entries
}

impl<W: Write> Workbook<W> {
    /// Writes the parts with the notes of the sheet that was written last.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub(super) fn notes(&mut self, notes: &[CellNote]) -> Result<(), WorkbookError> {
        let sheet = self.sheets.len();
        let package = "http://schemas.openxmlformats.org/package/2006/relationships";
        self.part(
            &format!("xl/worksheets/_rels/sheet{sheet}.xml.rels"),
            &format!(
                "<Relationships xmlns=\"{package}\">\
                 <Relationship Id=\"rId1\" Type=\"{RELATIONS}/vmlDrawing\" Target=\"../drawings/vmlDrawing{sheet}.vml\"/>\
                 <Relationship Id=\"rId2\" Type=\"{RELATIONS}/comments\" Target=\"../comments{sheet}.xml\"/></Relationships>"
            ),
        )?;
        let mut texts = Vec::new();
        let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        texts.extend_from_slice(format!("<comments xmlns=\"{main}\">").as_bytes());
        texts.extend_from_slice(b"<authors><author>Loan Engine</author></authors><commentList>");
        let mut drawing = String::from(
            "<xml xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\" \
             xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><v:shapetype id=\"_x0000_t202\" coordsize=\"21600,21600\" \
             o:spt=\"202\" path=\"m,l,21600r21600,l21600,xe\"><v:stroke joinstyle=\"miter\"/>\
             <v:path gradientshapeok=\"t\" o:connecttype=\"rect\"/></v:shapetype>",
        );
        for (at, CellNote { row, column, text }) in notes.iter().enumerate() {
            let (letters, line) = (column_letters(*column), row + 1);
            texts.extend_from_slice(format!("<comment ref=\"{letters}{line}\" authorId=\"0\"><text><t").as_bytes());
            texts.extend_from_slice(if has_blanks_to_keep(text) { b" xml:space=\"preserve\">" } else { b">" });
            push_escaped(&mut texts, text);
            texts.extend_from_slice(b"</t></text></comment>");
            drawing += &format!(
                "<v:shape id=\"_x0000_s{}\" type=\"#_x0000_t202\" style=\"position:absolute;width:240pt;height:60pt;\
                 visibility:hidden\" fillcolor=\"#ffffe1\" o:insetmode=\"auto\"><v:fill color2=\"#ffffe1\"/>\
                 <x:ClientData ObjectType=\"Note\"><x:MoveWithCells/><x:SizeWithCells/><x:AutoFill>False</x:AutoFill>\
                 <x:Row>{row}</x:Row><x:Column>{column}</x:Column></x:ClientData></v:shape>",
                1025 + at
            );
        }
        texts.extend_from_slice(b"</commentList></comments>");
        drawing += "</xml>";
        self.part(&format!("xl/comments{sheet}.xml"), &String::from_utf8_lossy(&texts))?;
        self.part(&format!("xl/drawings/vmlDrawing{sheet}.vml"), &drawing)
    }
}
