//! The storefronts: this context's own copy of every store, to browse and to price from.

use crate::{Tag, View, geo, tag};
use shared::{
    Actor, Context, Event, Kind,
    api::StorefrontShown,
    store::{self, Profile},
};

/// The view of all stores.
pub struct Storefronts;

impl View for Storefronts {
    const KIND: Kind = Kind::Storefront;
    const LISTENS: &'static [Context] = &[Context::Store];
    type Row = Profile;
    type Shown = StorefrontShown;

    fn key(event: &Event) -> Option<String> {
        match event {
            Event::Store(store::Event::Changed { profile, .. }) => Some(profile.store.to_string()),
            _ => None,
        }
    }

    fn project(row: Option<Profile>, event: &Event, _: u64) -> Option<Profile> {
        match (row, event) {
            (Some(old), Event::Store(store::Event::Changed { profile, .. })) if old.revision > profile.revision => Some(old),
            (_, Event::Store(store::Event::Changed { profile, .. })) => Some(Profile::clone(profile)),
            (row, _) => row,
        }
    }

    fn show(row: &Profile, _: &Actor) -> Option<StorefrontShown> {
        Some(StorefrontShown { profile: row.clone(), open_now: false, distance_km: None })
    }

    fn tags(row: &Profile) -> Vec<Tag> {
        vec![tag("all", 0), tag(geo::cell(row.at).to_string(), 0)]
    }
}
