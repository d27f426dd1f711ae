//! Aligned columns of text.

/// Rows of cells, the first of them the heading. A column of numbers, and of empty cells, is aligned to the right.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Every row on a line of its own.
    pub(crate) fn render(&self) -> String {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let columns: Vec<(usize, bool)> =
            (0..n_columns).map(|it| (self.width(it), self.is_numeric(it))).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (width, is_numeric)) in row.iter().zip(&columns) {
                if *is_numeric {
                    line.push_str(&format!("{cell:>width$}  "));
                } else {
                    line.push_str(&format!("{cell:<width$}  "));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max().unwrap_or(0)
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
        let is_number = |it: &str| {
            let digits = it.trim_start_matches(['-', '+']);
            digits.starts_with(|it: char| it.is_ascii_digit()) && !it.contains(char::is_alphabetic)
        };
        cells.all(|it| it.is_empty() || is_number(it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_words_to_the_left_and_numbers_to_the_right() {
        let mut table = Table::default();
        table.row(["name", "ms"]);
        table.row(["a long one", "2.5"]);
        table.row(["short", "12.25"]);
        assert_eq!(table.render(), "name           ms\na long one    2.5\nshort       12.25\n");
    }

    #[test]
    fn takes_signs_and_gaps_for_numbers() {
        let mut table = Table::default();
        for cell in ["ms", "-2.5", "", "10.0"] {
            table.row([cell, "|"]);
        }
        assert_eq!(table.render(), "  ms  |\n-2.5  |\n      |\n10.0  |\n");
    }
}
