//! What a command says, line by line. A reader that has seen enough (`| head -1`) is no error: the command does what it was asked to
//! and ends with its own exit code. (`println!` would panic.) <https://doc.rust-lang.org/std/macro.println.html#panics>

use std::fmt::Arguments;
use std::io::Write;

/// As `println!`: a result.
macro_rules! say {
    () => { say!("") };
    ($($arg:tt)*) => { $crate::cli::say::line(std::io::stdout().lock(), format_args!($($arg)*)) };
}

/// As `eprintln!`: a problem.
macro_rules! complain {
    ($($arg:tt)*) => { $crate::cli::say::line(std::io::stderr().lock(), format_args!($($arg)*)) };
}

pub(super) use {complain, say};

/// Nobody may be there to read it.
pub fn line(mut to: impl Write, text: Arguments<'_>) {
    let _ = writeln!(to, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_line_goes_out_or_is_not_wanted() {
        let mut out = Vec::new();
        line(&mut out, format_args!("{} records", 3));
        assert_eq!(out, b"3 records\n");
        line(Gone, format_args!("nobody"));
    }
}
