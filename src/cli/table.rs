//! Tables for people: columns as wide as they need, long cells cut.

use std::io::Write as _;

const WIDEST: usize = 60;

/// Prints rows under headings, separated by two spaces.
pub fn print(headings: &[&str], rows: &[Vec<String>]) {
    say(&render(headings, rows));
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
pub fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

pub fn render(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let mut out = String::new();
    line(&mut out, headings.iter().map(|h| (*h).to_owned()), &widths);
    line(&mut out, widths.iter().map(|w| "─".repeat(*w)), &widths);
    rows.iter()
        .for_each(|row| line(&mut out, row.iter().cloned(), &widths));
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>, widths: &[usize]) {
    let mut text = String::new();
    for (cell, width) in cells.zip(widths) {
        let cell: String = if cell.chars().count() > *width {
            cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        } else {
            cell
        };
        let padding = width - cell.chars().count();
        text.push_str(&cell);
        text.push_str(&" ".repeat(padding + 2));
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_long_cells_are_cut() {
        let rows = vec![
            vec!["a".to_owned(), "x".repeat(80)],
            vec!["bbb".to_owned(), "y".to_owned()],
        ];
        let text = render(&["Name", "What"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Name  What");
        assert!(lines[2].starts_with("a     xxx") && lines[2].ends_with('…'));
        assert_eq!(lines[3], "bbb   y");
    }
}
