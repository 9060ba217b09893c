//! SOLAPI knows no repeat, and so its connections are cut where that hurts: no text goes out twice, and none is lost.

use super::*;
use std::collections::BTreeSet;

const CUTS: u32 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cuts_after_the_accept_send_no_text_twice() {
    let mut sim = Sim::start(&[]).await;
    sim.fail(&Faults { cut_after_accept: CUTS, ..Faults::default() }).await;
    hand_over_all(&sim.way(), 0..CUTS as usize).await;
    sim.has_failed().await;
    each_once(&sim, CUTS as usize);
    sim.server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_each_text_goes_out_once() {
    let mut sim = Sim::start(&[]).await;
    let each = 100;
    let faults = Faults {
        cut_after_accept: each,
        cut_before_accept: each,
        unavailable_after_accept: each,
        unavailable: each,
        too_many: each,
        ..Faults::default()
    };
    sim.fail(&faults).await;
    hand_over_all(&sim.way(), 0..600).await;
    sim.has_failed().await;
    each_once(&sim, 600);
    sim.server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ended_looks_first() {
    let mut sim = Sim::start(&[]).await;
    sim.fail(&Faults { cut_after_accept: 1, ..Faults::default() }).await;
    assert_eq!(sim.way().send(message(1)).await, Err(Fault::Broken));
    // Another process knows nothing of the attempt, except that there may have been one.
    hand_over(&sim.way(), Message { again: true, ..message(1) }).await.unwrap();
    assert_eq!(sim.way().knows(&message(1)).await, Ok(true));
    assert_eq!(sim.way().knows(&message(2)).await, Ok(false));
    each_once_of(&sim, &["n1"]);
    sim.server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_on_its_way_is_not_sent_again_before_it_must_have_arrived() {
    let mut sim = Sim::start(&[]).await;
    sim.fail(&Faults { cut_before_accept: 1, ..Faults::default() }).await;
    let way = solapi(&sim.server.url, 3_600_000);
    assert_eq!(way.send(message(1)).await, Err(Fault::Broken));
    assert_eq!(way.send(Message { again: true, ..message(1) }).await, Err(Fault::Broken), "an empty look-up says nothing yet");
    each_once_of(&sim, &[]);
    sim.server.kill().await.unwrap();
}

fn each_once(sim: &Sim, count: usize) {
    let names = sim.names();
    assert_eq!(names.len(), count, "a text went out twice, or not at all");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), count);
}

fn each_once_of(sim: &Sim, wanted: &[&str]) {
    assert_eq!(sim.names(), wanted);
}
