//! The shape of answers: collections and pages, media types, methods, origins, the OpenAPI document.

use crate::{
    cast::{Cast, open_store},
    documents,
    harness::{Answer, House},
};
use serde_json::{Value, json};
use server::http::{
    ops::Ops,
    routes::{self, Op},
};
use shared::Kind;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_is_hal_even_when_it_is_empty() {
    let cast = Cast::gather().await;
    for kind in routes::kinds() {
        let reader = match kind {
            Kind::Store | Kind::Ticket | Kind::ShopPage => &cast.choi,
            Kind::Rider | Kind::Delivery | Kind::DeliveryInfo => &cast.yoon,
            Kind::LedgerEntry => &cast.operator,
            _ => &cast.lee,
        };
        let route = kind.route();
        let answer = cast.house.get(&format!("/{route}"), reader).await;
        assert_eq!(answer.header("content-type"), "application/hal+json");
        let list = answer.ok();
        let items = list["_embedded"][route].as_array().unwrap_or_else(|| panic!("{route}: {list}"));
        let links = list["_links"].as_object().unwrap();
        assert!(links["self"]["href"].as_str().unwrap().starts_with(&cast.house.url(&format!("/{route}"))));
        assert_eq!(list["page"]["totalElements"], items.len(), "{route}");
        for item in items {
            let href = item["_links"]["self"]["href"].as_str().unwrap();
            assert_eq!(item["_links"][kind.name()]["href"], href);
            let one = cast.house.get(href.trim_start_matches(&cast.house.url("")), reader).await;
            let fields =
                |row: &Value| row.as_object().unwrap().keys().filter(|key| *key != "distance_km").cloned().collect::<BTreeSet<_>>();
            assert_eq!(fields(&one.ok()), fields(item), "{route}: an item of the list is not what its link shows");
        }
        for link in links.values() {
            let path = link["href"].as_str().unwrap().trim_start_matches(&cast.house.url("")).to_owned();
            cast.house.get(&path, reader).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_lead_from_one_to_the_next_and_lose_nothing() {
    let cast = Cast::gather().await;
    let mut placed = vec![];
    for _ in 0..7 {
        placed.push(cast.place().await);
    }
    for name in ["치킨 & 맥주 100%", "치킨 & 맥주 2호", "치킨 & 맥주 \"3호\"", "피자"] {
        open_store(&cast.house, &cast.choi, name).await;
    }
    let walk = async |first: &str, route: &str| {
        let (mut seen, mut next, mut pages) = (vec![], Some(first.to_owned()), 0);
        while let Some(path) = next {
            let page = cast.house.get(&path, &cast.kim).await.ok();
            assert_eq!(page["page"]["number"], pages, "{path}");
            assert_eq!(page["_links"].get("prev").is_some(), pages > 0, "{path}");
            seen.extend(page["_embedded"][route].as_array().unwrap().clone());
            next = page["_links"]["next"]["href"].as_str().map(|href| href.trim_start_matches(&cast.house.url("")).to_owned());
            pages += 1;
            if next.is_none() {
                assert_eq!(page["page"]["totalElements"], seen.len());
                assert_eq!(page["page"]["totalPages"], pages);
            }
        }
        seen
    };
    let orders = walk("/orders?size=3", "orders").await;
    let ids: Vec<&str> = orders.iter().map(|order| order["order"].as_str().unwrap()).collect();
    assert_eq!(ids, placed.iter().rev().map(String::as_str).collect::<Vec<_>>(), "newest first, each once");
    // A search stays the same search from page to page.
    let stores = walk("/storefronts?size=1&name=%EC%B9%98%ED%82%A8%20%26%20%EB%A7%A5%EC%A3%BC&open=true", "storefronts").await;
    assert_eq!(stores.len(), 3, "{stores:?}");
    let near = walk("/storefronts?size=2&lat=37.4979&lng=127.0276&km=1&open=true", "storefronts").await;
    assert_eq!(near.len(), 6);
    let beyond = cast.house.get("/orders?page=50&size=3", &cast.kim).await.ok();
    assert_eq!((&beyond["_embedded"]["orders"], &beyond["page"]["totalElements"]), (&json!([]), &json!(7)));
    for (asked, size) in [("size=0", 20), ("size=-1", 20), ("size=x", 20), ("size=100000", 100), ("size=", 20), ("page=-1", 20)] {
        let page = cast.house.get(&format!("/orders?{asked}"), &cast.kim).await.ok();
        assert_eq!((&page["page"]["size"], &page["page"]["number"]), (&json!(size), &json!(0)), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_leads_everywhere() {
    let cast = Cast::gather().await;
    let root = cast.house.call("GET", "/", None, None).await.ok();
    let links = root["_links"].as_object().unwrap();
    assert!(links.contains_key("self"));
    for (name, link) in links {
        let href = link["href"].as_str().unwrap();
        assert_eq!(href.contains('{'), link["templated"] == true, "{name}");
        let path = href.trim_start_matches(&cast.house.url("")).split('{').next().unwrap().to_owned();
        let mut answers = vec![];
        for who in [&cast.kim, &cast.park, &cast.han, &cast.operator] {
            answers.push(cast.house.get(&path, who).await);
        }
        assert!(answers.iter().any(Answer::is_good), "{name} leads nowhere: {answers:?}");
    }
    for kind in routes::kinds() {
        assert!(links.contains_key(kind.route()), "{kind:?} cannot be found");
        let profile = cast.house.call("GET", &format!("/profile/{}", kind.route()), None, None).await;
        assert_eq!(profile.header("content-type"), "application/alps+json");
        profile.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_types_are_negotiated() {
    let house = House::open().await;
    let (hal, plain) = ("application/hal+json", "application/json");
    for (accept, wanted) in [
        ("*/*", Some(hal)),
        ("application/*", Some(hal)),
        (hal, Some(hal)),
        ("application/json, */*;q=0.5", Some(plain)),
        ("application/json;charset=utf-8", Some(plain)),
        ("application/prs.hal-forms+json, application/hal+json;q=0.9", Some(hal)),
        ("text/html, application/xhtml+xml, */*;q=0.8", Some(hal)),
        ("text/html", None),
        ("application/xml", None),
        ("image/png, text/plain;q=0.1", None),
    ] {
        let answer = house.send(house.bare("GET", "/storefronts").header("accept", accept)).await;
        match wanted {
            Some(wanted) => {
                assert_eq!(answer.header("content-type"), wanted, "{accept}");
                assert!(answer.ok()["_links"]["self"].is_object());
            }
            None => answer.is_problem(406, "not_acceptable"),
        }
    }
    let body = r#"{"name":"kim","password":"12345678","roles":["customer"]}"#;
    for (media, status) in [
        (Some(plain), 201),
        (Some("application/json; charset=utf-8"), 201),
        (Some("APPLICATION/JSON"), 201),
        (Some(hal), 201),
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("multipart/form-data; boundary=x"), 415),
        (Some("application/jsonx"), 415),
        (None, 415),
    ] {
        let request = media.into_iter().fold(house.bare("POST", "/accounts"), |request, media| request.header("content-type", media));
        let answer = house.send(request.body(body)).await;
        assert_eq!(answer.status, status, "{media:?}: {answer:?}");
        if status == 415 {
            answer.is_problem(415, "unsupported_media_type");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_and_what_is_not_so_done_are_problems_in_both_languages() {
    let house = House::open().await;
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/orders/x/y/z", 404, "not_found"),
        ("GET", "/feed/order/0", 404, "not_found"),
        ("GET", "/preferences", 404, "not_found"),
        ("DELETE", "/orders", 405, "method_not_allowed"),
        ("POST", "/foodCookings", 405, "method_not_allowed"),
        ("POST", "/payments", 405, "method_not_allowed"),
        ("PATCH", "/stores/x", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
    ] {
        for (lang, title) in [("ko-KR", true), ("en-GB", false), ("fr", false), ("", false)] {
            let answer = house.send(house.bare(method, path).header("accept-language", lang)).await;
            answer.is_problem(status, code);
            let is_korean = answer.json()["title"].as_str().unwrap().chars().any(|c| ('가'..='힣').contains(&c));
            assert_eq!(is_korean, title, "{lang}: {answer:?}");
            // The hint of a 405 sends its reader to this header.
            assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listed_origins_are_let_in() {
    let house = House::open().await;
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    for origin in [
        "https://evil.example",
        "null",
        "*",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://a.shop.example",
        "https://shop.example/",
        "https://SHOP.example",
        "https://shop.example, https://evil.example",
    ] {
        let answer = house.send(house.bare("GET", "/storefronts").header("origin", origin)).await;
        assert_eq!((answer.status, allowed(&answer).as_str()), (200, ""), "{origin}");
        assert!(answer.header("vary").contains("Origin"), "{origin}");
        let preflight = house.bare("OPTIONS", "/orders").header("origin", origin).header("access-control-request-method", "POST");
        let answer = house.send(preflight).await;
        assert!(allowed(&answer).is_empty() && answer.header("access-control-allow-methods").is_empty(), "{origin}: {answer:?}");
    }
    let good = "https://shop.example";
    let answer = house.send(house.bare("GET", "/storefronts").header("origin", good)).await;
    assert_eq!(allowed(&answer), good);
    assert!(answer.header("access-control-allow-credentials").is_empty());
    let preflight = house.bare("OPTIONS", "/orders").header("origin", good).header("access-control-request-method", "POST");
    let answer = house.send(preflight.header("access-control-request-headers", "authorization")).await;
    assert_eq!((answer.status, allowed(&answer).as_str()), (204, good));
    let headers = answer.header("access-control-allow-headers").to_owned();
    for name in ["authorization", "idempotency-key", "content-type", "last-event-id", "baemin-consistency"] {
        assert!(headers.contains(name), "{name} is not in {headers}");
    }
    // A problem must be readable too, or the browser shows nothing but a network error.
    let answer = house.send(house.bare("GET", "/orders").header("origin", good)).await;
    assert_eq!((answer.status, allowed(&answer).as_str()), (401, good));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_openapi_document_lists_the_routes_and_nothing_else() {
    let house = House::open().await;
    let document = house.call("GET", "/openapi.json", None, None).await.ok();
    let mut listed = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let names = operations["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(names, path.matches('{').count(), "{path} does not say its parameters");
        listed.extend(operations.as_object().unwrap().keys().filter(|key| *key != "parameters").map(|method| format!("{method} {path}")));
    }
    let table: BTreeSet<String> =
        routes::all().iter().map(|route| format!("{} {}", route.method.as_str().to_lowercase(), route.path)).collect();
    assert_eq!(listed, table);
    let references = documents::references(&document);
    assert!(references > 50, "only {references} references");
    for route in routes::all() {
        let operation = &document["paths"][&route.path][route.method.as_str().to_lowercase()];
        let takes = matches!(route.op, Op::Create(_) | Op::Join | Op::Login | Op::Verb(..) | Op::Ops(_, Ops::Drop | Ops::Force));
        assert_eq!(operation["requestBody"].is_object(), takes, "{} {}", route.method, route.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_as_the_document_shows_it_is_the_body_that_is_read() {
    use crate::bodies::{Names, valid};
    let house = House::open().await;
    let document = house.call("GET", "/openapi.json", None, None).await.ok();
    for route in routes::all() {
        let Some(body) = valid(&route.op, &Names::default()).filter(|_| route.op != Op::Logout && route.op != Op::Login) else { continue };
        let schema =
            &document["paths"][&route.path][route.method.as_str().to_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
        let schema = schema["$ref"].as_str().map_or(Some(schema), |reference| document.pointer(&reference[1..])).unwrap();
        let known: BTreeSet<&String> = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()).collect();
        let sent: BTreeSet<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(known, sent, "{} {}", route.method, route.path);
    }
    assert!(document["components"]["schemas"].as_object().unwrap().len() > 20);
}
