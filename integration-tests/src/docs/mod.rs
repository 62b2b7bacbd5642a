//! Runs what the documentation shows, so that a page that has become untrue fails a test.
//!
//! A page of docs/ is Markdown, and three kinds of fenced blocks in it are more than text:
//!
//! - `console`: a line `$ command`, and below it the lines that it prints, to standard output and standard error. `...` on a line of its own
//!   stands for any lines, `[..]` within a line for any text; blanks at the end of a line do not count. A command goes on in the next line after a `\`.
//!   A command that ends in ` &` runs in the background until the page ends, and is then stopped by SIGTERM; the lines below it are
//!   waited for, and it may print more. Without such lines the next command waits until it has said `ready`.
//! - `console,no-run`: shown and not run, for what needs Docker or systemd.
//! - `toml,file=PATH`, and any other language before the comma: the block is written to that file.
//!
//! Blocks of a page are run in sequence, in a fresh directory that holds `config/`, a copy of the repository's, with
//! `orderstream` on the PATH. Each command runs in a shell of its own; exported variables, the working directory and `$?` go
//! from one to the next. A command that fails must show what it prints, and one that shows nothing must succeed and print nothing.
pub mod expected;
pub mod page;
pub mod run;

pub use page::{Page, Step};
