//! One order's life is one trace, and a request is one across the gateway and its service.

use crate::{
    cast::{COLA, Cast, DOOR, FRIED, PHONE, Stage},
    collector::{Collector, Span},
    harness::{House, PATIENCE},
};
use server::{
    journal::{self, Place},
    traces::span::{hex, span_of, trace_of},
};
use shared::{Context, Recorded};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// More events than these tests make in a context.
const MANY: usize = 10_000;
/// What people have written here, and what they are called.
const PRIVATE: [&str; 13] =
    [PHONE, DOOR, "비밀로", "김손님", "한라이더", "교촌치킨", "강남대로", FRIED, COLA, "치즈볼", "문 앞에", "바삭해요", "127.0276"];

async fn traced(collector: std::net::SocketAddr) -> House {
    House::open_with(|config| config.traces_endpoint = Some(format!("http://{collector}").parse().unwrap())).await
}

/// Every event that the journals have kept.
fn kept(data: &Path) -> Vec<Arc<Recorded>> {
    let place = Place::Sqlite(data.to_owned());
    let all = |context| journal::open(&place, context, 1).unwrap().1.feed(0, 0, MANY).unwrap();
    Context::ALL.into_iter().flat_map(all).collect()
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orders_life_is_one_trace_with_every_event_of_every_context() {
    let (collector, address) = Collector::open().await;
    let began_ns = now_ns();
    let cast = Cast::gather_in(traced(address).await).await;
    let (order, other) = (cast.reviewed().await, cast.place().await);
    cast.lead(&order, Stage::Delivered, Stage::Completed).await;
    // Notices are told last; a closed server has exported everything that has happened.
    let end = Instant::now() + PATIENCE;
    while collector.spans().iter().filter(|span| span.name == "notifier send").count() <= 3 {
        assert!(Instant::now() < end, "nobody is told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let data = cast.house.close().await;

    let events = kept(data.path());
    let spans: BTreeMap<String, Span> = collector.spans().into_iter().map(|span| (span.id.clone(), span)).collect();
    assert_eq!(collector.spans().len(), spans.len(), "no span comes twice");
    for event in &events {
        let span = spans.get(&hex(&span_of(&event.position))).unwrap_or_else(|| panic!("no span of {event:?}"));
        // Whatever names an order is part of its trace; the text of an event is looked at as a stranger would.
        let text = serde_json::to_string(event).unwrap();
        for one in [&order, &other] {
            assert_eq!(text.contains(one.as_str()), span.trace == hex(&trace_of(one)), "{text}");
        }
        assert_eq!(span.parent, event.cause.as_ref().map(|cause| hex(&span_of(cause))));
        assert_eq!((span.start_ns, span.kind), (event.at_ms as u64 * 1_000_000, 1));
        assert!(began_ns / 1_000_000 <= span.start_ns / 1_000_000 && span.start_ns <= span.end_ns && span.end_ns <= now_ns(), "{span:?}");
        assert_eq!(span.says("baemin.context"), event.position.context.name());
        assert_eq!(span.says("baemin.stream"), event.stream);
        assert_eq!(span.says("baemin.by"), event.by.map_or("system".to_owned(), |by| by.to_string()));
    }
    let trace: Vec<&Span> = spans.values().filter(|span| span.trace == hex(&trace_of(&order))).collect();
    let contexts: BTreeSet<&str> = trace.iter().map(|span| span.says("baemin.context")).filter(|name| !name.is_empty()).collect();
    assert_eq!(contexts, Context::ALL.iter().map(|context| context.name()).collect());
    let named = |name: &str| trace.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert_eq!((named("order placed").len(), named("order completed").len(), named("provider charge").len()), (1, 1, 1));
    for span in &trace {
        let parent = span.parent.as_ref().map(|parent| spans.get(parent).unwrap_or_else(|| panic!("no parent of {span:?}")));
        assert!(parent.is_none_or(|parent| parent.trace == span.trace && parent.start_ns <= span.start_ns), "{span:?} after {parent:?}");
    }
    // A row that was found by a look at the list has lost its event; most are not.
    assert!(trace.iter().any(|span| span.kind == 3 && span.parent.is_some()), "a question to the outside follows from an event");
    let text = collector.text();
    for private in PRIVATE {
        assert!(!text.contains(private), "{private} was exported");
    }
    for (name, bits) in [("kim", &cast.kim), ("han", &cast.han)] {
        assert!(!text.contains(&format!("\"{name}\"")) && !text.contains(&bits.access) && !text.contains(&bits.refresh));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_one_trace_across_the_gateway_and_its_service() {
    let (collector, address) = Collector::open().await;
    let cast = Cast::gather_in(traced(address).await).await;
    let order = cast.place().await;
    let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let ask = async |path: &str, correlation: &str, parent: &str| {
        let request = cast.house.bare("GET", path).bearer_auth(&cast.kim.access).header("Baemin-Correlation", correlation);
        cast.house.send(request.header("traceparent", parent)).await
    };
    let path = format!("/orders/{order}?secret=canary-query");
    ask(&path, "followed", &format!("00-{trace}-{caller}-00")).await.ok();
    ask(&path, "not-followed", &format!("00-{trace}-{caller}-00-more")).await.ok();
    assert_eq!(ask("/canary-path/010-9999-9999", "lost", "nonsense").await.status, 404);
    drop(cast.house.close().await);

    let spans = collector.spans();
    let both = |correlation: &str| -> (Span, Option<Span>) {
        let of: Vec<&Span> = spans.iter().filter(|span| span.says("baemin.correlation_id") == correlation).collect();
        let child = of.iter().find(|span| of.iter().any(|parent| span.parent.as_ref() == Some(&parent.id)));
        let parent = of.iter().find(|span| child.is_none_or(|child| child.id != span.id)).unwrap();
        ((*parent).clone(), child.map(|child| (*child).clone()))
    };
    let (gateway, service) = both("followed");
    let service = service.unwrap();
    assert_eq!((gateway.trace.as_str(), gateway.parent.as_deref()), (trace, Some(caller)));
    assert_eq!((service.trace.as_str(), service.parent.as_ref()), (trace, Some(&gateway.id)));
    assert!(gateway.start_ns <= service.start_ns && service.start_ns <= service.end_ns);
    for span in [&gateway, &service] {
        assert_eq!((span.name.as_str(), span.kind, span.says("http.response.status_code")), ("GET /orders/{id}", 2, "200"));
        assert_eq!((span.says("http.request.method"), span.says("http.route")), ("GET", "/orders/{id}"));
        assert_eq!(span.says("baemin.order"), order);
    }
    let (gateway, service) = both("not-followed");
    assert_eq!((gateway.trace.clone(), gateway.parent), (hex(&trace_of("not-followed")), None));
    assert_eq!(service.unwrap().trace, gateway.trace);
    let (lost, nobody) = both("lost");
    assert!(nobody.is_none());
    assert_eq!((lost.name.as_str(), lost.says("http.response.status_code")), ("GET *", "404"));
    // What was made is found from the request that made it.
    let made = spans.iter().filter(|span| span.name == "POST /orders" && span.says("baemin.order") == order).count();
    assert_eq!(made, 2);
    assert!(!collector.text().contains("canary") && !collector.text().contains("010-9999"));
}
