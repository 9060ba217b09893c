//! Every route against every class of caller. The rows come from the server's own table of routes: a route about which
//! nothing is said here fails the test. The asserted table is kept in `snapshots`, for people to read.

use crate::{
    bodies::{Names, valid},
    cast::{Cast, Stage, open_store},
    harness::{Answer, House, PASSWORD, Person},
};
use axum::http::Method;
use server::http::{
    ops::Ops,
    routes::{self, Op, Route},
};
use shared::Kind;
use std::fmt::Write;

/// The classes of callers. Whose thing it is comes last, so that whatever the others did to it would be seen.
const CALLERS: [&str; 9] = ["nobody", "expired", "operator", "other customer", "other owner", "other rider", "customer", "owner", "rider"];

/// What each class is answered, in the order of [`CALLERS`].
type Cells = [u16; 9];

/// Everybody may, logged in or not; a token that has expired is told so all the same.
const ALL: Cells = [200, 401, 200, 200, 200, 200, 200, 200, 200];
/// The same for what is made.
const ALL_MAKE: Cells = [201, 401, 201, 201, 201, 201, 201, 201, 201];

const fn customers(other: u16, own: u16) -> Cells {
    [401, 401, 403, other, 403, 403, own, 403, 403]
}

const fn owners(other: u16, own: u16) -> Cells {
    [401, 401, 403, 403, other, 403, 403, own, 403]
}

const fn riders(other: u16, own: u16) -> Cells {
    [401, 401, 403, 403, 403, other, 403, 403, own]
}

const fn operators(own: u16) -> Cells {
    [401, 401, own, 403, 403, 403, 403, 403, 403]
}

/// The table: who is answered how. `None` for a route that nobody has thought about.
fn expected(op: &Op) -> Option<Cells> {
    Some(match op {
        Op::Root | Op::OpenApi | Op::AsyncApi | Op::Live | Op::Ready | Op::Profiles | Op::Profile(_) => ALL,
        Op::Join | Op::Login => ALL_MAKE,
        Op::Logout => [204, 401, 204, 204, 204, 204, 204, 204, 204],
        Op::Ops(_, Ops::Lag | Ops::Parked | Ops::Story | Ops::Rebuild(_) | Ops::Rebuilding(_)) => operators(200),
        Op::Ops(_, Ops::Breaker | Ops::Force | Ops::Reconcile | Ops::Refunds) => operators(200),
        // Nothing is parked here.
        Op::Ops(_, Ops::ParkedOne | Ops::Replay | Ops::Drop) => operators(404),
        // Kim's account, whoever asks.
        Op::Account => [401, 401, 404, 404, 404, 404, 200, 404, 404],
        Op::Create(kind) => match kind {
            Kind::Order => customers(201, 201),
            // Kim is a customer already, under another name, and both riders are riders.
            Kind::Customer => customers(201, 409),
            Kind::Store => owners(201, 201),
            Kind::Rider => riders(409, 409),
            // Of an order of kim's.
            Kind::Review => customers(404, 201),
            _ => return None,
        },
        Op::Get(kind) | Op::List(kind) => reading(*kind, matches!(op, Op::Get(_)))?,
        // An operator sees where an order stands, and its rider does while carrying it.
        Op::Watch => [401, 401, 200, 404, 404, 404, 200, 200, 200],
        Op::WatchMany(Kind::Order) => [401, 401, 403, 200, 200, 403, 200, 200, 403],
        Op::WatchMany(Kind::Ticket) => owners(200, 200),
        Op::WatchMany(Kind::Delivery) => riders(200, 200),
        Op::Verb(kind, verb) => commanding(*kind, verb)?,
        _ => return None,
    })
}

fn reading(kind: Kind, one: bool) -> Option<Cells> {
    // One of somebody else's is not there; a list holds one's own.
    let other = if one { 404 } else { 200 };
    Some(match kind {
        Kind::Storefront | Kind::Review | Kind::ShopPage => ALL,
        Kind::Order if one => [401, 401, 200, 404, 404, 404, 200, 200, 200],
        Kind::Order => [401, 401, 403, 200, 200, 403, 200, 200, 403],
        Kind::Payment => [401, 401, 200, other, 403, 403, 200, 403, 403],
        Kind::Store | Kind::Ticket => owners(other, 200),
        Kind::Rider => riders(other, 200),
        // A job is every rider's to see; its contact is not (see `fields`).
        Kind::Delivery | Kind::DeliveryInfo => riders(200, 200),
        Kind::Customer | Kind::MyPage => customers(other, 200),
        Kind::LedgerEntry => [401, 401, 200, 403, 403, 403, 403, 403, 403],
        // Of kim's.
        Kind::Notice => [401, 401, other, other, other, other, 200, other, other],
        Kind::Preference => return None,
    })
}

fn commanding(kind: Kind, verb: &str) -> Option<Cells> {
    Some(match (kind, verb) {
        (Kind::Order, "cancel" | "change" | "confirm" | "accept_offer" | "decline_offer") => customers(404, 200),
        (Kind::Order, "offer") => owners(404, 200),
        // It is paid already.
        (Kind::Payment, "pay") => customers(404, 409),
        (Kind::Ticket, "accept" | "reject" | "start" | "finish" | "delay") => owners(404, 200),
        (
            Kind::Store,
            "set_dish" | "remove_dish" | "set_sold_out" | "set_hours" | "open" | "close" | "pause" | "set_terms" | "set_capacity"
            | "set_thanks",
        ) => owners(404, 200),
        (Kind::Rider, "start" | "move") => riders(404, 200),
        // Han carries three deliveries, and cannot go home.
        (Kind::Rider, "end") => riders(404, 409),
        // Han has it: another rider is told so.
        (Kind::Delivery, "pick") => riders(409, 200),
        (Kind::Delivery, "release" | "deliver") => riders(404, 200),
        (Kind::Customer, "set_contact" | "set_preferences") => customers(404, 200),
        (Kind::Review, "write") => customers(404, 200),
        (Kind::Review, "reply") => owners(404, 200),
        _ => return None,
    })
}

/// Prepared things, each for the verb that shall move it.
struct Things {
    cast: Cast,
    names: Names,
    expired: String,
    placed: [String; 5],
    offered: [String; 2],
    accepted: [String; 2],
    cooking: String,
    carried: [String; 3],
    delivered: [String; 2],
    reviewed: String,
    /// A second store of park's, so that opening and closing one does not stop the orders.
    spare: String,
    notice: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_caller_as_the_table_says() {
    let things = prepare().await;
    let mut shown = format!("{:55}", "");
    CALLERS.iter().for_each(|caller| write!(shown, " {:>8}", caller.replace("other ", "~")).unwrap());
    for Route { method, path, op } in routes::all() {
        let cells = expected(&op).unwrap_or_else(|| panic!("nothing is said about {method} {path}"));
        write!(shown, "\n{:55}", format!("{method} {path}")).unwrap();
        for (caller, wanted) in CALLERS.iter().zip(cells) {
            let answer = things.call(&method, &path, &op, caller).await;
            assert_eq!(answer.status, wanted, "{method} {path} by {caller}: {answer:?}");
            check_code(&answer, caller);
            write!(shown, " {wanted:>8}").unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}

/// A no has the code that belongs to it, and tells nobody whether a thing of somebody else's is there.
fn check_code(answer: &Answer, caller: &str) {
    match answer.status {
        401 if caller == "expired" => answer.is_problem(401, "token_expired"),
        401 => answer.is_problem(401, "unauthenticated"),
        403 => answer.is_problem(403, "forbidden"),
        404 => answer.is_problem(404, "not_found"),
        409 => assert!(["taken", "still_carrying", "exists", "already_paid"].contains(&answer.code().as_str()), "{answer:?}"),
        _ => {}
    }
}

/// A token of a login that was ended, which is an expired one before its time.
async fn expired_token(house: &House) -> String {
    let gone = house.login("kim", PASSWORD).await;
    let body = serde_json::json!({ "refresh": gone.refresh });
    assert_eq!(house.call("DELETE", "/tokens", None, Some(&body)).await.status, 204);
    gone.access
}

async fn prepare() -> Things {
    let cast = Cast::gather().await;
    let expired = expired_token(&cast.house).await;
    let spare = open_store(&cast.house, &cast.park, "둘째 가게").await;
    let placed = [
        cast.place().await,
        cast.place().await,
        cast.order(Stage::Placed).await,
        cast.order(Stage::Placed).await,
        cast.order(Stage::Placed).await,
    ];
    let offered = [cast.offered().await, cast.offered().await];
    let accepted = [cast.order(Stage::Accepted).await, cast.order(Stage::Accepted).await];
    let cooking = cast.order(Stage::Cooking).await;
    let delivered = [cast.order(Stage::Delivered).await, cast.order(Stage::Delivered).await];
    let reviewed = cast.reviewed().await;
    let carried = [cast.order(Stage::Picked).await, cast.order(Stage::Picked).await, cast.order(Stage::Picked).await];
    let inbox = cast.house.get("/notifications", &cast.kim).await.ok();
    let notice = inbox["_embedded"]["notifications"][0]["_links"]["self"]["href"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let names = Names { store: cast.store.clone(), delivered: delivered[0].clone(), login: "kim".into(), password: PASSWORD.into() };
    Things { cast, names, expired, placed, offered, accepted, cooking, carried, delivered, reviewed, spare, notice }
}

impl Things {
    async fn call(&self, method: &Method, path: &str, op: &Op, caller: &str) -> Answer {
        let path = path.replace("{id}", &self.id(op));
        // Lists that are public are those of a store; without one they are one's own.
        let path = if matches!(op, Op::List(Kind::Review | Kind::ShopPage)) { format!("{path}?store={}", self.cast.store) } else { path };
        let token = if caller == "expired" { Some(&self.expired) } else { self.person(caller).map(|person| &person.access) };
        let request = self.cast.house.request(method.as_str(), &path, token.map(String::as_str));
        let request = valid(op, &self.names).into_iter().fold(request, |request, body| request.json(&body));
        if !matches!(op, Op::Watch | Op::WatchMany(_)) {
            return self.cast.house.send(request).await;
        }
        // A stream that opens does not end: its head is the answer.
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = if status == 200 { String::new() } else { response.text().await.unwrap() };
        Answer { status, headers, text }
    }

    fn person(&self, caller: &str) -> Option<&Person> {
        let cast = &self.cast;
        Some(match caller {
            "operator" => &cast.operator,
            "customer" => &cast.kim,
            "other customer" => &cast.lee,
            "owner" => &cast.park,
            "other owner" => &cast.choi,
            "rider" => &cast.han,
            "other rider" => &cast.yoon,
            _ => return None,
        })
    }

    /// The thing that a route is tried on: kim's order, its parts, park's store, han.
    fn id(&self, op: &Op) -> String {
        let cast = &self.cast;
        match op {
            Op::Verb(kind, verb) => match (kind, verb.as_str()) {
                (Kind::Order, "cancel") => self.placed[0].clone(),
                (Kind::Order, "change") => self.placed[1].clone(),
                (Kind::Order, "offer") => self.placed[4].clone(),
                (Kind::Order, "accept_offer") => self.offered[0].clone(),
                (Kind::Order, "decline_offer") => self.offered[1].clone(),
                (Kind::Order, _) => self.delivered[1].clone(),
                (Kind::Payment, _) => self.carried[0].clone(),
                (Kind::Ticket, "accept") => self.placed[2].clone(),
                (Kind::Ticket, "reject") => self.placed[3].clone(),
                (Kind::Ticket, "start") => self.accepted[0].clone(),
                (Kind::Ticket, "delay") => self.accepted[1].clone(),
                (Kind::Ticket, _) => self.cooking.clone(),
                (Kind::Delivery, "pick") => self.carried[0].clone(),
                (Kind::Delivery, "release") => self.carried[1].clone(),
                (Kind::Delivery, _) => self.carried[2].clone(),
                (Kind::Review, "write") => self.delivered[1].clone(),
                (Kind::Review, _) => self.reviewed.clone(),
                (Kind::Store, _) => self.spare.clone(),
                (Kind::Rider, _) => format!("rid_{}", cast.han.bits),
                _ => format!("cus_{}", cast.kim.bits),
            },
            Op::Get(Kind::Store | Kind::Storefront | Kind::ShopPage) => cast.store.clone(),
            Op::Get(Kind::Review) => self.reviewed.clone(),
            Op::Get(Kind::Rider) => format!("rid_{}", cast.han.bits),
            Op::Get(Kind::Customer) => format!("cus_{}", cast.kim.bits),
            Op::Get(Kind::Notice) => self.notice.clone(),
            Op::Get(Kind::LedgerEntry) => format!("{}-1", self.carried[0]),
            Op::Account => format!("acc_{}", cast.kim.bits),
            _ => self.carried[0].clone(),
        }
    }
}
