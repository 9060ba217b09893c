//! People who use Baemin all at once: what the load generator and the kill test have in common.
//!
//! - [`http`] and [`sse`]: a light client. [`people`]: who asks. [`life`]: one order from the cart to the door.
//! - [`measure`]: percentiles. [`limits`]: what the machine could do at best. [`rush`]: the closed loop and its report.
//! - [`chaos`]: breaking things on purpose. [`oracle`]: what is wrong then.
//! - [`toss`]: a payment company on this machine, to be failed as one likes.
//! - [`solapi`]: a stand-in for the company that sends texts.
//! - [`process`]: servers that are started, measured and ended. [`servers`]: those that they stand on, and whole clusters.

pub mod chaos;
pub mod http;
pub mod life;
pub mod limits;
pub mod measure;
pub mod oracle;
pub mod people;
pub mod process;
pub mod rush;
pub mod seed;
pub mod servers;
pub mod solapi;
pub mod sse;
pub mod stage;
pub mod toss;
