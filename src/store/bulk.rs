//! Statements over many rows. A prepared text has a fixed number of placeholders, so each statement exists in the
//! sizes 1, 2, 4 … 64 and a list is cut into those: few round trips on PostgreSQL, few prepared texts, and no SQL
//! made from data. <https://www.postgresql.org/docs/current/sql-values.html>

use std::sync::OnceLock;

use super::engine::{Arg, Conn, Pool, Row};

const SIZES: usize = 7;

/// A statement with a list of rows in it: `head ($1, $2), ($3, $4) … tail`.
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    /// Added on PostgreSQL only.
    hold: &'static str,
    texts: [[OnceLock<String>; SIZES]; 2],
}

impl Bulk {
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Bulk {
        Bulk::made(head, columns, tail, "")
    }

    const fn made(head: &'static str, columns: usize, tail: &'static str, hold: &'static str) -> Bulk {
        Bulk {
            head,
            columns,
            tail,
            hold,
            texts: [const { [const { OnceLock::new() }; SIZES] }; 2],
        }
    }

    /// The same, holding the rows it reads until the transaction ends.
    pub(super) const fn holding(head: &'static str, columns: usize, tail: &'static str) -> Bulk {
        Bulk::made(head, columns, tail, " FOR UPDATE")
    }

    /// The same, letting others read them but not change them until then.
    pub(super) const fn sharing(head: &'static str, columns: usize, tail: &'static str) -> Bulk {
        Bulk::made(head, columns, tail, " FOR SHARE")
    }

    /// Runs it over all rows (`args` holds them one after the other), each once; comes out with the rows changed.
    pub(super) async fn execute(
        &'static self,
        conn: &mut Conn,
        args: &[Arg<'_>],
    ) -> Result<u64, sqlx::Error> {
        let postgres = conn.is_postgres();
        let mut rest = args;
        let mut changed = 0;
        while !rest.is_empty() {
            let size = largest(rest.len() / self.columns);
            let (now, later) = rest.split_at(self.columns << size);
            changed += conn.execute(self.text(size, postgres), now).await?;
            rest = later;
        }
        Ok(changed)
    }

    /// As `execute`, for a text in which a row may stand twice (an `IN` list): one statement, filled up by repetition.
    pub(super) async fn execute_set(
        &'static self,
        conn: &mut Conn,
        args: &[Arg<'_>],
    ) -> Result<u64, sqlx::Error> {
        let postgres = conn.is_postgres();
        let mut changed = 0;
        for (size, args) in self.repeated(args) {
            changed += conn.execute(self.text(size, postgres), &args).await?;
        }
        Ok(changed)
    }

    /// Reads with an `IN` list inside the transaction of `conn`.
    pub(super) async fn rows(
        &'static self,
        conn: &mut Conn,
        args: &[Arg<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let postgres = conn.is_postgres();
        let mut rows = Vec::new();
        for (size, args) in self.repeated(args) {
            rows.extend(conn.rows(self.text(size, postgres), &args).await?);
        }
        Ok(rows)
    }

    /// Reads with an `IN` list, outside a transaction.
    pub(super) async fn read(&'static self, pool: &Pool, args: &[Arg<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        let postgres = matches!(pool, Pool::Postgres(_));
        let mut rows = Vec::new();
        for (size, args) in self.repeated(args) {
            rows.extend(pool.rows(self.text(size, postgres), &args).await?);
        }
        Ok(rows)
    }

    fn repeated<'a>(&self, args: &[Arg<'a>]) -> Vec<(usize, Vec<Arg<'a>>)> {
        let most = SIZES - 1;
        args.chunks(self.columns << most)
            .map(|chunk| {
                let rows = chunk.len() / self.columns;
                let size = (0..most).find(|size| 1 << size >= rows).unwrap_or(most);
                let mut args = chunk.to_vec();
                let last = chunk.len() - self.columns;
                while args.len() < self.columns << size {
                    args.extend_from_slice(&chunk[last..]);
                }
                (size, args)
            })
            .collect()
    }

    fn text(&'static self, size: usize, postgres: bool) -> &'static str {
        self.texts[usize::from(postgres)][size].get_or_init(|| {
            let mut text = String::from(self.head);
            for row in 0..1usize << size {
                text.push_str(if row == 0 { "(" } else { ", (" });
                for column in 1..=self.columns {
                    text.push_str(if column == 1 { "" } else { ", " });
                    match postgres {
                        true => text.push_str(&format!("${}", row * self.columns + column)),
                        // it finds the name of a `$n` by walking all names, for each value that is bound
                        false => text.push('?'),
                    }
                }
                text.push(')');
            }
            text.push_str(self.tail);
            text.push_str(if postgres { self.hold } else { "" });
            text
        })
    }
}

/// The power of two that fits into `rows`.
fn largest(rows: usize) -> usize {
    (0..SIZES).rev().find(|size| 1 << size <= rows).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: Bulk = Bulk::holding("SELECT 1 WHERE (a, b) IN (VALUES ", 2, ")");

    #[test]
    fn texts_number_their_placeholders_and_hold_on_postgres_only() {
        assert_eq!(
            PAIRS.text(1, false),
            "SELECT 1 WHERE (a, b) IN (VALUES (?, ?), (?, ?))"
        );
        assert_eq!(
            PAIRS.text(0, true),
            "SELECT 1 WHERE (a, b) IN (VALUES ($1, $2)) FOR UPDATE"
        );
    }

    #[test]
    fn lists_are_cut_into_powers_of_two() {
        assert_eq!([1, 2, 3, 7, 1000].map(largest), [0, 1, 1, 2, 6]);
    }

    #[test]
    fn an_in_list_is_filled_up_with_its_last_row() {
        let args: Vec<Arg<'_>> = (0..6).map(Arg::Int).collect();
        let cut = PAIRS.repeated(&args);
        assert_eq!(cut.len(), 1);
        let ints: Vec<i64> = cut[0]
            .1
            .iter()
            .map(|a| if let Arg::Int(v) = a { *v } else { -1 })
            .collect();
        assert_eq!((cut[0].0, ints), (2, vec![0, 1, 2, 3, 4, 5, 4, 5]));
    }
}
