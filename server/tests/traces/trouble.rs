//! A collector that is away or hangs costs spans, and nothing else; and without one there is nothing.

use crate::{
    cast::{Cast, Stage},
    collector::Collector,
    harness::{House, PATIENCE},
};
use server::traces::{QUEUE, Span, Traces, export::BATCH};
use shared::{Context, Recorded, event::Position};
use std::{
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "{what} has not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The lines of a house's metrics that speak of traces.
async fn figures(house: &House) -> Vec<String> {
    let page = reqwest::get(format!("http://{}/metrics", house.metrics.unwrap())).await.unwrap().text().await.unwrap();
    page.lines().filter(|line| line.starts_with("baemin_traces")).map(str::to_owned).collect()
}

async fn measured(collector: Option<SocketAddr>) -> House {
    let endpoint = collector.map(|address| format!("http://{address}/").parse().unwrap());
    House::open_with(|config| {
        config.metrics_listen = Some(([127, 0, 0, 1], 0).into());
        config.traces_endpoint = endpoint;
    })
    .await
}

fn span(seq: u64) -> Span {
    let position = Position { context: Context::Rider, partition: 0, seq };
    let event = shared::rider::Event::Ended { rider: shared::RiderId(shared::id::Bits([1; 10])), at_ms: 1 };
    let recorded = Recorded { position, stream: "rid".into(), version: 1, at_ms: 1, by: None, cause: None, event: event.into() };
    Span::of_event(&recorded, 2).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_on_while_the_collector_is_away_and_spans_come_when_it_returns() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let cast = Cast::gather_in(measured(Some(address)).await).await;
    cast.order(Stage::Completed).await;
    let starts = |name: &'static str, is_zero: bool| {
        let house = &cast.house;
        async move || {
            let figures = figures(house).await;
            let line = figures.iter().find(|line| line.contains(name)).unwrap();
            line.ends_with(" 0") == is_zero
        }
    };
    until("the count of dropped spans", starts("dropped", false)).await;
    assert!(starts("sent", true)().await);
    let collector = Collector::serve(TcpListener::bind(address).await.unwrap());
    let order = cast.order(Stage::Accepted).await;
    until("the return of the collector", async || collector.text().contains(&order)).await;
    until("the count of sent spans", starts("sent", false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_fills_the_queue_and_holds_nobody_up() {
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap()).parse().unwrap();
    let (house, app) = House::open_app().await;
    let traces = Traces::start(&app.engine, &endpoint, "baemin".into()).unwrap();
    app.engine.traces.set(traces.clone()).unwrap();
    let began = Instant::now();
    let beyond = 100;
    (0..(QUEUE + BATCH + beyond) as u64).for_each(|seq| traces.add(span(seq)));
    assert!(traces.figures().dropped.load(Relaxed) >= beyond as u64);
    house.join("kim", &["customer"]).await;
    assert!(began.elapsed() < Duration::from_secs(4), "nothing waits for the collector's deadline");
    assert_eq!(traces.figures().sent.load(Relaxed), 0);
    // The end does not wait for long either: a request that is on its way, and one deadline for the rest.
    tokio::time::timeout(Duration::from_secs(14), traces.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_nothing_is_followed_and_nothing_sent() {
    // Everything that lives as long as a server, counted while the server is at rest.
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (_house, app) = House::open_app().await;
    assert!(app.engine.traces.get().is_none());
    let before = tasks();
    let (_, address) = Collector::open().await;
    let with_collector = tasks();
    let traces = Traces::start(&app.engine, &format!("http://{address}").parse().unwrap(), "baemin".into()).unwrap();
    assert_eq!((with_collector - before, tasks() - with_collector), (1, 2));
    traces.close().await;
    until("the end of both tasks", async || tasks() == with_collector).await;
    let plain = measured(None).await;
    plain.join("kim", &["customer"]).await;
    assert_eq!(figures(&plain).await, Vec::<String>::new());
}
