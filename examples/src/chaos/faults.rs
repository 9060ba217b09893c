//! How things are broken, and mended.

use super::{
    options::{Fault, Options},
    plant::Plant,
};
use crate::{seed::Seed, solapi::Faults};
use rusqlite::{Connection, TransactionBehavior};
use std::time::Duration;

/// A provider that holds still for longer than its own patience of five seconds complains; it is held for less.
const PROVIDER_MS: u64 = 4_000;
/// A service that holds still must be longer still than a moment, to be noticed at all.
const FROZEN_MS: u64 = 300;

/// Texts that a fault is about, at most: those of some orders.
const MOST_TEXTS: u64 = 20;

/// Something that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL to a process of this number.
    Kill(usize),
    /// SIGSTOP, and SIGCONT later.
    Freeze(usize),
    /// SIGKILL to the broker.
    BrokerKill,
    /// The broker is stopped in order.
    BrokerStop,
    /// The broker loses everything that it kept.
    BrokerWipe,
    /// SIGKILL to the database.
    DatabaseKill,
    /// The provider takes nothing for a while.
    ProviderHeld,
    /// The company that sends texts does so to the next few.
    Notices(NoticeFault),
}

/// What the company that sends texts does, and whether whoever sends them is killed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeFault {
    kind: u64,
    times: u32,
    kills: bool,
}

impl NoticeFault {
    fn draw(seed: &mut Seed) -> Self {
        Self { kind: seed.below(5), times: 1 + seed.below(MOST_TEXTS) as u32, kills: seed.below(2) == 0 }
    }

    fn faults(self) -> Faults {
        let (times, none) = (self.times, Faults::default());
        match self.kind {
            0 => Faults { cut_after_accept: times, ..none },
            1 => Faults { unavailable_after_accept: times, ..none },
            2 => Faults { cut_before_accept: times, ..none },
            3 => Faults { unavailable: times, ..none },
            _ => Faults { too_many: times, ..none },
        }
    }

    async fn strike(self, plant: &mut Plant, last: Duration) -> Result<(), String> {
        plant.texts()?.trouble(&self.faults()).await?;
        tokio::time::sleep(last).await;
        if self.kills {
            let process = plant.processes().iter_mut().find(|process| process.sends_notices()).ok_or("nobody sends notices")?;
            process.kill().await?;
            process.start().await?;
        }
        plant.texts()?.trouble(&Faults::default()).await.map(drop)
    }
}

impl Blow {
    /// Draws one.
    pub fn draw(options: &Options, processes: usize, seed: &mut Seed) -> Self {
        let fault = match options.fault {
            Fault::All if options.embedded => [Fault::Service, Fault::Service, Fault::Service, Fault::Provider][seed.below(4) as usize],
            Fault::All => {
                const MIX: [Fault; 8] = [
                    Fault::Service,
                    Fault::Service,
                    Fault::Service,
                    Fault::Service,
                    Fault::Broker,
                    Fault::Wipe,
                    Fault::Database,
                    Fault::Provider,
                ];
                MIX[seed.below(MIX.len() as u64) as usize]
            }
            fault => fault,
        };
        let (which, often) = (seed.below(processes as u64) as usize, seed.below(4) > 0);
        match fault {
            Fault::Kill => Blow::Kill(which),
            Fault::Service | Fault::All if often => Blow::Kill(which),
            Fault::Service | Fault::All => Blow::Freeze(which),
            Fault::Broker if often => Blow::BrokerKill,
            Fault::Broker => Blow::BrokerStop,
            Fault::Wipe => Blow::BrokerWipe,
            Fault::Database => Blow::DatabaseKill,
            Fault::Provider => Blow::ProviderHeld,
            Fault::Notice => Blow::Notices(NoticeFault::draw(seed)),
        }
    }

    /// Breaks it, lets it be for a while, and mends it.
    ///
    /// # Errors
    /// It cannot be broken, or does not come back.
    pub async fn strike(self, plant: &mut Plant, last: Duration) -> Result<(), String> {
        match self {
            Blow::Kill(which) => {
                let process = plant.processes().get_mut(which).ok_or("no such process")?;
                process.kill().await?;
                tokio::time::sleep(last).await;
                process.start().await?;
            }
            Blow::Freeze(which) => {
                let process = plant.processes().get_mut(which).ok_or("no such process")?;
                process.freeze().await?;
                tokio::time::sleep(last.max(Duration::from_millis(FROZEN_MS))).await;
                process.thaw().await?;
            }
            Blow::ProviderHeld => return hold(plant, last).await,
            Blow::Notices(fault) => return fault.strike(plant, last).await,
            Blow::BrokerKill | Blow::BrokerStop | Blow::BrokerWipe | Blow::DatabaseKill => {
                let cluster = plant.cluster()?;
                match self {
                    Blow::BrokerKill => tokio::task::block_in_place(|| cluster.broker.kill())?,
                    Blow::BrokerStop => tokio::task::block_in_place(|| cluster.broker.stop())?,
                    Blow::BrokerWipe => tokio::task::block_in_place(|| cluster.broker.kill().and_then(|()| cluster.broker.wipe()))?,
                    _ => tokio::task::block_in_place(|| cluster.database.kill())?,
                }
                tokio::time::sleep(last).await;
                if self == Blow::DatabaseKill {
                    tokio::task::block_in_place(|| cluster.database.restart())?;
                } else {
                    tokio::task::block_in_place(|| cluster.broker.restart())?;
                }
            }
        }
        Ok(())
    }
}

/// Holds the provider's journal, so that no movement is answered meanwhile: a company that is slow, from outside.
async fn hold(plant: &Plant, last: Duration) -> Result<(), String> {
    for path in plant.leaves().providers {
        let named = |e: rusqlite::Error| format!("{}: {e}", path.display());
        let mut connection = Connection::open(&path).map_err(named)?;
        connection.busy_timeout(Duration::from_millis(PROVIDER_MS)).map_err(named)?;
        let held = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(named)?;
        tokio::time::sleep((last * 3).min(Duration::from_millis(PROVIDER_MS))).await;
        held.rollback().map_err(named)?;
    }
    Ok(())
}
