//! The servers that the distributed system stands on, each private to one test: on free ports of this machine, in a folder
//! of its own, and killed when it is dropped. And the services themselves, as a cluster of processes.

pub mod cluster;
pub mod postgres;
pub mod process;
pub mod rabbitmq;
