//! Which path leads where, and with which headers.

use crate::harness::{Door, Upstream, good, names, text};
use axum::{Router, extract::Request};
use server::{
    gateway::{
        Config, Origins, Table,
        table::{Place, SERVICE_ONLY, Service, standard},
    },
    http::routes,
};

/// A service that says who it is, and what it was asked.
async fn named(name: &'static str) -> std::sync::Arc<Upstream> {
    Upstream::start(move |request: Request| async move { text(format!("{name} {} {}", request.method(), request.uri())) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_leads_to_its_service_in_this_process_and_in_others() {
    let (mut remote, mut local, mut kept) = (vec![], vec![], vec![]);
    for name in names() {
        let upstream = named(name).await;
        remote.push(Service::remote(name, &[upstream.url()]).unwrap());
        kept.push(upstream);
        let router =
            Router::new().fallback(move |request: Request| async move { text(format!("{name} {} {}", request.method(), request.uri())) });
        local.push(Service::local(name, router));
    }
    for services in [remote, local] {
        let door = Door::open(Table::new(services, &[]).unwrap(), Config::default()).await;
        for route in routes::all() {
            let path = route.path.replace("{id}", "01abc");
            if path.starts_with("/health") {
                continue;
            }
            let answer = door.request(route.method.as_str(), &format!("{path}?page=1")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            let said = answer.text().await.unwrap();
            let (name, rest) = said.split_once(' ').unwrap();
            assert_eq!(rest, format!("{} {path}?page=1", route.method));
            // What operators ask of a context has the context in its second segment.
            let segments = if path.starts_with("/ops/") { 2 } else { 1 };
            let first = format!("/{}", path[1..].split('/').take(segments).collect::<Vec<_>>().join("/"));
            match standard().into_iter().find(|route| route.prefix == first) {
                Some(expected) => assert_eq!(name, expected.service, "{path}"),
                None => assert!(["/", "/profile", "/openapi.json", "/asyncapi.json"].contains(&first.as_str()), "{path}"),
            }
        }
        assert_eq!(door.request("GET", "/ops/rider/x").send().await.unwrap().text().await.unwrap(), "rider GET /ops/rider/x");
    }
}

#[test]
fn the_context_of_a_kind_decides() {
    let all = standard();
    let of = |prefix: &str| all.iter().find(|route| route.prefix == prefix).map(|route| route.service.as_str());
    let expected = [
        ("/orders", "order"),
        ("/payments", "payment"),
        ("/webhooks", "payment"),
        ("/stores", "store"),
        ("/accounts", "identity"),
        ("/tokens", "identity"),
    ];
    for (prefix, service) in expected {
        assert_eq!(of(prefix), Some(service), "{prefix}");
    }
    assert!(SERVICE_ONLY.iter().all(|name| of(&format!("/{name}")).is_none()));
}

#[test]
fn a_table_that_cannot_be_meant_is_refused() {
    let services: String = names().iter().map(|name| format!("[[backends]]\nname='{name}'\nurls=['http://127.0.0.1:1']\n")).collect();
    assert!(Table::read(&services).is_ok());
    let own = format!("{services}[[routes]]\nprefix='/orders/special'\nservice='rider'\n");
    let table = Table::read(&own).unwrap();
    let number = |name| names().iter().position(|n| *n == name).unwrap();
    assert_eq!(table.find("/orders/special/x"), Place::Service(number("rider")));
    assert_eq!(table.find("/orders/specialist"), Place::Service(number("order")));
    for (more, why) in [
        ("[[routes]]\nprefix='/x'\nservice='nobody'\n", "no such service"),
        ("[[routes]]\nprefix='/internal'\nservice='order'\n", "never routed from outside"),
        ("[[routes]]\nprefix='/VAULT/x'\nservice='order'\n", "never routed from outside"),
        ("[[routes]]\nprefix='orders'\nservice='order'\n", "a path such as /orders"),
        ("[[routes]]\nprefix='/a/../b'\nservice='order'\n", "a path such as /orders"),
        ("[[routes]]\nprefix='/x'\nservice='order'\nhost='y'\n", "unknown field"),
        ("[[backends]]\nname='order'\nurls=['http://127.0.0.1:2']\n", "there twice"),
        ("[[backends]]\nname='x'\nurls=[]\n", "at least one URL"),
        ("[[backends]]\nname='x'\nurls=['https://a']\n", "a URL such as"),
        ("[[backends]]\nname='x'\nurls=['http://u:p@a']\n", "a URL such as"),
        ("[[backends]]\nname='x'\nurls=['http://a/b']\n", "a URL such as"),
        ("[[backends]]\nname='x'\nurls=['http://a:']\n", "a URL such as"),
        ("[[backends]]\nname='x'\nurls=['http://a:99999']\n", "a URL such as"),
        ("[[backends]]\nname='x'\nurls=['http://a']\ntimeout_ms=0\n", "timeout_ms"),
        ("[[backends]]\nname='x'\nurl='http://a'\n", "unknown field"),
    ] {
        let refused = Table::read(&format!("{services}{more}")).expect_err(more);
        assert!(refused.contains(why), "{more}: {refused}");
    }
    let missing = Table::read("[[backends]]\nname='order'\nurls=['http://127.0.0.1:1']\n").unwrap_err();
    assert!(missing.contains("is wanted"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_clean_both_ways() {
    let upstream = Upstream::start(|request: Request| async move {
        let mut lines: Vec<String> = request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        let mut response = text(lines.join("\n"));
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("keep-alive", "timeout=5"),
            ("x-kept", "yes"),
            ("location", "http://shop.example/orders/1"),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await;
    let origins = Origins::new(&["https://shop.example".into()]).unwrap();
    let door = Door::with(&[upstream.url()], Config { origins, ..Config::default() }, 5_000).await;
    let request = "GET /orders HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nBaemin-Service: guess\r\nConnection: x-mine, authorization\r\n\
        X-Mine: 1\r\nAuthorization: Bearer a.b.c\r\nProxy-Authorization: x\r\nTE: trailers\r\nUpgrade: h2c\r\nBaemin-Correlation: my-request.1\r\n\
        Baemin-Deadline-Ms: 900\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n";
    let answer = door.raw(request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    for gone in
        ["6.6.6.6", "7.7.7.7", "https\n", "forwarded: for", "x-real-ip", "guess", "x-mine", "proxy-auth", "te:", "upgrade:", "connection:"]
    {
        assert!(!body.contains(gone), "{gone} in {body}");
    }
    for there in ["host: shop.example", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "x-forwarded-host: shop.example"] {
        assert!(body.lines().any(|line| line == there), "{there} in {body}");
    }
    assert!(body.contains("authorization: Bearer a.b.c") && body.contains("baemin-correlation: my-request.1"), "{body}");
    let left: u64 = body.lines().find_map(|line| line.strip_prefix("baemin-deadline-ms: ")).unwrap().parse().unwrap();
    assert!((1..=900).contains(&left), "{left}");
    assert!(!head.contains("access-control") && !head.contains("keep-alive"), "{head}");
    assert!(head.contains("x-kept: yes") && head.contains("baemin-correlation: my-request.1"), "{head}");
    // An allowed origin gets the gateway's answer, once.
    let allowed = door.request("GET", "/orders").header("origin", "https://shop.example").send().await.unwrap();
    let values: Vec<_> = allowed.headers().get_all("access-control-allow-origin").iter().collect();
    assert_eq!(values, ["https://shop.example"]);
    assert!(!allowed.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_requests_are_checked_and_made() {
    let upstream =
        Upstream::start(|request: Request| async move { text(request.headers()["baemin-correlation"].as_bytes().to_vec()) }).await;
    let door = Door::before(&[upstream.url()]).await;
    let long = "x".repeat(65);
    for (given, kept) in
        [("abc-1.2_3", true), ("", false), ("a b", false), ("a\tb", false), ("<script>", false), ("é", false), (&long, false)]
    {
        let answer = door.request("GET", "/orders").header("baemin-correlation", given.as_bytes()).send().await.unwrap();
        let echoed = answer.headers()["baemin-correlation"].to_str().unwrap().to_owned();
        assert_eq!(answer.text().await.unwrap(), echoed, "what the service saw is what the client sees");
        assert_eq!(echoed == given, kept, "{given}");
        assert!(kept || (echoed.len() == 32 && echoed.bytes().all(|b| b.is_ascii_hexdigit())), "{echoed}");
    }
    let upstream = good().await;
    assert_eq!(Door::before(&[upstream.url()]).await.status("GET", "/nowhere").await, 404);
}
