//! Tables without lines, measured in the columns of a terminal, so that Hangul stands straight. No characters of
//! ambiguous width, and no marks for colour inside the cells.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use shared::Lang;
use unicode_width::UnicodeWidthStr;

/// A terminal that claims to be narrower does not know its width.
const NARROWEST: u16 = 40;

/// A table that is told in two languages.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    heads: Vec<(&'static str, &'static str, Align)>,
    rows: Vec<Vec<String>>,
    whole: Option<usize>,
}

/// Where a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Sheet {
    /// A table with these columns: Korean, English, and where they stand.
    pub fn new(heads: &[(&'static str, &'static str, Align)]) -> Self {
        Self { heads: heads.to_vec(), ..Self::default() }
    }

    /// Has this column kept whole although it has blanks, since it is copied word for word.
    #[must_use]
    pub fn whole(mut self, column: usize) -> Self {
        self.whole = Some(column);
        self
    }

    /// A list of names and values, without a heading.
    pub fn card() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a named value to a card.
    pub fn field(&mut self, name: &str, value: impl ToString) {
        self.rows.push(vec![name.to_owned(), value.to_string()]);
    }

    /// Adds the same as text.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.field(name, value);
        self
    }

    /// The text. On a terminal a wide table is folded to its width.
    pub fn draw(&self, lang: Lang, on_terminal: bool) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_truncation_indicator("..");
        if on_terminal && table.width().is_some_and(|width| width >= NARROWEST) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        }
        if !self.heads.is_empty() {
            table.set_header(self.heads.iter().map(|(ko, en, _)| lang.pick(*ko, *en)));
        }
        table.add_rows(self.rows.iter().cloned());
        table.discover_columns();
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            // What has no blanks, as an id, is copied whole: only sentences are folded. A column of width one could
            // not hold a wide letter.
            let is_whole = self.whole == Some(i) || self.rows.iter().filter_map(|row| row.get(i)).all(|cell| !cell.contains(' '));
            column.set_constraint(match is_whole {
                true => ColumnConstraint::ContentWidth,
                false => ColumnConstraint::LowerBoundary(Width::Fixed(12)),
            });
            if self.heads.get(i).is_some_and(|(_, _, align)| *align == Align::Right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        if let (false, Some(head)) = (self.heads.is_empty(), lines.first_mut()) {
            *head = format!("\x1b[1m{head}\x1b[0m");
        }
        lines.join("\n")
    }
}

/// Text filled up with blanks to so many columns of a terminal.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sheet {
        let mut sheet = Sheet::new(&[("메뉴", "DISH", Align::Left), ("가격", "PRICE", Align::Right), ("상태", "STATE", Align::Left)]);
        sheet.row(["후라이드 치킨".into(), "18,000".into(), "판매중".into()]);
        sheet.row(["Cola".into(), "2,000".into(), "품절".into()]);
        sheet
    }

    fn check(lang: Lang, expected: &str) {
        let drawn = sample().draw(lang, false).replace("\x1b[1m", "").replace("\x1b[0m", "");
        let drawn: Vec<&str> = drawn.lines().collect();
        assert_eq!(drawn, expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn hangul_stands_straight_in_both_languages() {
        check(Lang::Ko, "메뉴             가격  상태\n후라이드 치킨  18,000  판매중\nCola            2,000  품절");
        check(Lang::En, "DISH            PRICE  STATE\n후라이드 치킨  18,000  판매중\nCola            2,000  품절");
    }

    #[test]
    fn every_column_begins_where_the_one_above_begins() {
        let drawn = sample().draw(Lang::Ko, false).replace("\x1b[1m", "").replace("\x1b[0m", "");
        let starts: Vec<usize> =
            drawn.lines().zip(["상태", "판매중", "품절"]).map(|(l, w)| l.split(w).next().unwrap_or_default().width()).collect();
        assert_eq!(starts, [23, 23, 23]);
    }

    #[test]
    fn padding_counts_columns() {
        assert_eq!(padded("주문", 6), "주문  ");
        assert_eq!(padded("abcdefgh", 6), "abcdefgh");
    }
}
