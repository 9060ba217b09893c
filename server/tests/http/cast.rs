//! The people of these tests: two of every role, two stores, and orders that are led to where a test wants them.

use crate::{
    bodies::{contact, here},
    harness::{House, PATIENCE, Person, Seen},
    sse::{Ask, Frame},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

/// A dish with an option.
pub const FRIED: &str = "후라이드";
/// A dish without.
pub const COLA: &str = "콜라";
/// What only the rider at the door may read.
pub const PHONE: &str = "010-7777-1234";
/// What only the rider at the door may read.
pub const DOOR: &str = "서울 강남구 비밀로 77, 현관 암구호";

/// How far an order is led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Placed,
    Accepted,
    Cooking,
    Cooked,
    Picked,
    Delivered,
    Completed,
}

impl Stage {
    pub const ALL: [Stage; 7] = {
        use Stage::*;
        [Placed, Accepted, Cooking, Cooked, Picked, Delivered, Completed]
    };
}

/// Everybody, and a running server. The first of each role has to do with the orders, the second is a stranger.
pub struct Cast {
    pub house: House,
    pub kim: Person,
    pub lee: Person,
    pub park: Person,
    pub choi: Person,
    pub han: Person,
    pub yoon: Person,
    pub operator: Person,
    /// Of `park`.
    pub store: String,
    /// Of `choi`.
    pub other_store: String,
    /// What park and han were told so far.
    pub told: watch::Receiver<Vec<Frame>>,
}

impl Cast {
    /// Reads something until it is so.
    pub async fn becomes(&self, path: &str, who: &Person, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let read = self.house.get(path, who).await;
                if read.is_good() && is_so(&read.json()) {
                    return read.json();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    pub async fn gather() -> Self {
        Self::gather_in(House::open().await).await
    }

    pub async fn gather_in(house: House) -> Self {
        let (kim, lee) = (house.join("kim", &["customer"]).await, house.join("lee", &["customer"]).await);
        let (park, choi) = (house.join("park", &["owner"]).await, house.join("choi", &["owner"]).await);
        let (han, yoon) = (house.join("han", &["rider"]).await, house.join("yoon", &["rider"]).await);
        let operator = house.operator().await;
        let me = json!({ "name": "김손님", "contact": contact(PHONE, DOOR), "lang": "ko" });
        house.post("/customers", &kim, &me).await.ok();
        let store = open_store(&house, &park, "교촌치킨 강남점").await;
        let other_store = open_store(&house, &choi, "남의 가게").await;
        for (rider, name) in [(&han, "한라이더"), (&yoon, "윤라이더")] {
            house.post("/riders", rider, &json!({ "name": name })).await.ok();
            house.put(&format!("/riders/rid_{}/start", rider.bits), rider, &json!({ "at": here() })).await.ok();
        }
        let told = listen(&house, &park, &han).await;
        Self { house, kim, lee, park, choi, han, yoon, operator, store, other_store, told }
    }

    /// Waits until the store's owner and a rider near by could know of it; what is read from then on shows it.
    pub async fn until(&self, of: &str, order: &str, event: &str) {
        let mut told = self.told.clone();
        let is_it = |frame: &Frame| frame.data["of"] == of && frame.data["order"] == order && frame.data["event"] == event;
        let waited = tokio::time::timeout(PATIENCE, told.wait_for(|told| told.iter().any(is_it))).await;
        waited.unwrap_or_else(|_| panic!("{of} {order} was never {event}")).unwrap();
    }

    /// Places an order of kim's at park's.
    pub async fn place(&self) -> String {
        self.place_with(json!({})).await
    }

    /// The same with other fields.
    pub async fn place_with(&self, fields: Value) -> String {
        let mut wanted = json!({
            "store": self.store, "contact": contact(PHONE, DOOR), "rider_note": "문 앞에",
            "items": [{ "item": FRIED, "quantity": 2, "options": ["치즈볼"] }, { "item": COLA, "quantity": 1 }],
        });
        wanted.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let placed = self.house.post("/orders", &self.kim, &wanted).await.ok();
        placed["order"].as_str().unwrap().to_owned()
    }

    /// An order of kim's at park's, led so far, carried by han.
    pub async fn order(&self, stage: Stage) -> String {
        let order = self.place().await;
        self.until("ticket", &order, "opened").await;
        self.lead(&order, Stage::Placed, stage).await;
        order
    }

    /// Leads an order from one stage to another.
    pub async fn lead(&self, order: &str, from: Stage, to: Stage) {
        for stage in Stage::ALL.into_iter().filter(|stage| *stage > from && *stage <= to) {
            self.step(order, stage).await;
        }
    }

    async fn step(&self, order: &str, stage: Stage) {
        let ticket = |verb: &str| format!("/foodCookings/{order}/{verb}");
        let delivery = |verb: &str| format!("/deliveries/{order}/{verb}");
        let (path, who, body, told) = match stage {
            Stage::Placed => return,
            Stage::Accepted => (ticket("accept"), &self.park, json!({ "cook_minutes": 15 }), "accepted"),
            Stage::Cooking => (ticket("start"), &self.park, json!({}), "started"),
            Stage::Cooked => (ticket("finish"), &self.park, json!({}), "cooked"),
            Stage::Picked => (delivery("pick"), &self.han, json!({}), "picked"),
            Stage::Delivered => (delivery("deliver"), &self.han, json!({}), "delivered"),
            Stage::Completed => (format!("/orders/{order}/confirm"), &self.kim, json!({}), "completed"),
        };
        self.house.put(&path, who, &body).await.ok();
        self.until("order", order, told).await;
        match stage {
            Stage::Accepted => self.until("delivery", order, "offered").await,
            Stage::Cooked => self.until("delivery", order, "ready").await,
            _ => {}
        }
    }

    /// An order of which park offers to leave out the coke.
    pub async fn offered(&self) -> String {
        let order = self.order(Stage::Placed).await;
        self.house.put(&format!("/orders/{order}/offer"), &self.park, &json!({ "without": [COLA] })).await.ok();
        order
    }

    /// An order that is delivered and has its review.
    pub async fn reviewed(&self) -> String {
        let order = self.order(Stage::Delivered).await;
        let review = json!({ "order": order, "stars": 4, "text": "바삭해요" });
        self.house.post("/reviews", &self.kim, &review).await.ok();
        order
    }
}

/// A store with a menu that takes orders.
pub async fn open_store(house: &House, owner: &Person, name: &str) -> String {
    let wanted = json!({ "name": name, "address": "서울 강남구 강남대로 1", "at": here() });
    let store = house.post("/stores", owner, &wanted).await.ok()["store"].as_str().unwrap().to_owned();
    let fried = json!({ "dish": { "name": FRIED, "price": 18_000, "choices": [{ "name": "치즈볼", "price": 3_000 }, { "name": "소스", "price": 500 }] } });
    let cola = json!({ "dish": { "name": COLA, "price": 2_000 } });
    let terms = json!({ "minimum": 1_000, "delivery_fee": 3_000 });
    for (verb, body) in
        [("set_dish", fried), ("set_dish", cola), ("set_terms", terms), ("set_capacity", json!({ "capacity": 500 })), ("open", json!({}))]
    {
        house.put(&format!("/stores/{store}/{verb}"), owner, &body).await.ok();
    }
    store
}

/// Follows what an owner and a rider are told, for those who wait for it.
async fn listen(house: &House, owner: &Person, rider: &Person) -> watch::Receiver<Vec<Frame>> {
    let (tell, told) = watch::channel(vec![]);
    let streams =
        [("/orders/events", owner, "order.0"), ("/foodCookings/events", owner, "store.0"), ("/deliveries/events", rider, "rider.0")];
    for (path, who, place) in streams {
        let ask = Ask { address: house.address, path: path.into(), token: who.access.clone() };
        let (tell, seen): (_, Seen) = (tell.clone(), house.seen.clone());
        let mut stream = ask.open(None).await;
        assert_eq!(stream.must().await.event, "ready");
        tokio::spawn(async move {
            while let Some(frame) = stream.next().await {
                seen.saw(place, frame.id.parse().unwrap());
                tell.send_modify(|told: &mut Vec<Frame>| told.push(frame));
            }
        });
    }
    told
}
