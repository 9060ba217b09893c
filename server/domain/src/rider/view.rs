//! The jobs on the riders' list: offered, not picked, not called off.

use crate::{Tag, View, geo, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Context, Event, Kind, Millis, Role,
    api::DeliveryShown,
    delivery::{self, Status},
};

/// The view of all waiting jobs.
pub struct DeliveryInfos;

/// A job, and how far it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Absent while only a fact that came before the offer is known.
    job: Option<DeliveryShown>,
    /// When the food was ready, if it is.
    ready_ms: Option<Millis>,
    wide: bool,
}

impl View for DeliveryInfos {
    const KIND: Kind = Kind::DeliveryInfo;
    const LISTENS: &'static [Context] = &[];
    type Row = Info;
    type Shown = DeliveryShown;

    fn key(event: &Event) -> Option<String> {
        match event {
            Event::Delivery(event) => Some(event.order().to_string()),
            _ => None,
        }
    }

    fn project(row: Option<Info>, event: &Event, _: u64) -> Option<Info> {
        use delivery::Event as E;
        let Event::Delivery(event) = event else { return row };
        let mut info = row.unwrap_or_default();
        match (event, &mut info.job) {
            (E::Offered { about, drop, ready_ms, .. }, job) => {
                *job = Some(DeliveryShown {
                    order: about.order,
                    store_name: about.store_name.clone(),
                    store_at: drop.store_at,
                    area: drop.area,
                    status: Status::Waiting,
                    ready: info.ready_ms.is_some(),
                    ready_ms: info.ready_ms.unwrap_or(*ready_ms),
                    fee: drop.fee,
                    note: drop.note.clone(),
                    rider: None,
                    contact: None,
                    distance_km: None,
                });
            }
            (E::Ready { at_ms, .. }, job) => {
                info.ready_ms = Some(*at_ms);
                if let Some(job) = job {
                    (job.ready, job.ready_ms) = (true, *at_ms);
                }
            }
            (E::Picked { rider, .. }, Some(job)) => (job.status, job.rider) = (Status::Picked, Some(*rider)),
            (E::Released { .. }, Some(job)) => (job.status, job.rider) = (Status::Waiting, None),
            (E::Delivered { .. }, Some(job)) => job.status = Status::Delivered,
            (E::CalledOff { .. }, Some(job)) => job.status = Status::CalledOff,
            (E::Failed { .. }, Some(job)) => job.status = Status::Failed,
            (E::Widened { .. }, _) => info.wide = true,
            // A job that ended before it was offered is never listed.
            _ => {}
        }
        Some(info)
    }

    fn show(row: &Info, actor: &Actor) -> Option<DeliveryShown> {
        if actor.is(Role::Rider) { row.job.clone() } else { None }
    }

    fn tags(row: &Info) -> Vec<Tag> {
        let Some(job) = row.job.as_ref().filter(|job| job.status == Status::Waiting) else { return vec![] };
        let cell = geo::cell(job.store_at);
        let mut tags = vec![tag(format!("near:{cell}"), job.ready_ms)];
        if row.wide {
            tags.push(tag(format!("wide:{cell}"), job.ready_ms));
        }
        tags
    }
}
