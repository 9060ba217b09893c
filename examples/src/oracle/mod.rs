//! The oracle: reads what the clients logged and what every database holds, as a stranger would, and compares.
//!
//! It shares the words with the server, and none of its rules: what an order costs, how it may end and which events
//! belong to it are said here once more. It does not share the server's code that reads a journal either.
//!
//! - [`log`]: what the clients asked and were answered. [`story`]: the same by order. [`place`]: the databases as tables.
//! - [`books`]: everything that is kept. [`finding`]: what is wrong, and of which sort.
//! - [`planted`]: damage that it must see, or it would see nothing.

pub mod books;
pub mod finding;
mod journals;
pub mod log;
mod money;
mod notices;
mod orders;
pub mod place;
pub mod planted;
mod rows;
pub mod story;

use books::Books;
use finding::{Class, Finding, Verdict};
use log::Told;

/// Everything that is wrong, and how much was right.
pub fn judge(books: &Books, told: &Told) -> Verdict {
    let mut found: Vec<Finding> = books.unsettled.iter().map(|why| Class::Unfinished.of(why.clone())).collect();
    found.extend(books.parked.iter().map(|(context, body)| Class::Unexpected.of(format!("{} has parked {body}", context.name()))));
    found.extend(books.complaints.iter().map(|line| Class::Unexpected.of(format!("a server says: {line}"))));
    found.extend(told.saw.iter().map(|(class, what)| class.of(what.clone())));
    found.extend(journals::judge(books));
    found.extend(rows::judge(books, told));
    found.extend(orders::judge(books, told));
    found.extend(money::judge(books, &told.stories));
    found.extend(notices::judge(books, &told.stories));
    Verdict { found, orders: told.stories.len(), acked: told.acked, asked: told.asked, answered: told.answered, recovered: told.recovered }
}
