//! Who lives in the city: customers, owners with their stores, riders. All are there before the first order.

use super::rng::Rng;
use shared::{
    AccountId, Actor, Command, CustomerId, Lang, Millis, Point, RiderId, Role, Sealed, StoreId, Text, Won, customer,
    id::Bits,
    money::Price,
    order::{Drop, Wish},
    rider,
    store::{self, Capacity, Dish, Hours},
};

pub const DISHES: [(&str, u32); 3] = [("허니콤보", 20_000), ("불고기", 13_000), ("냉면", 9_000)];

/// A store and whose it is.
#[derive(Clone, Copy)]
pub struct Shop {
    pub store: StoreId,
    pub owner: AccountId,
}

/// Everybody.
pub struct Cast {
    pub customers: Vec<CustomerId>,
    pub shops: Vec<Shop>,
    pub riders: Vec<RiderId>,
}

pub fn person(account: AccountId, role: Role) -> Actor {
    Actor::Person { account, roles: vec![role] }
}

/// Ids are random, so that streams fall into any partition.
pub fn bits(rng: &mut Rng) -> Bits {
    Bits(std::array::from_fn(|_| rng.next() as u8))
}

pub fn text<const MAX: usize>(words: &str) -> Text<MAX> {
    Text::new(words).expect("the city's words are short")
}

const GANGNAM: Point = Point { lat: 37.4979, lng: 127.0276 };

impl Cast {
    pub fn new(rng: &mut Rng) -> Self {
        let (customers, shops, riders) = (rng.between(1, 4), rng.pick(&[1, 1, 2, 3]), rng.between(1, 4));
        Self {
            customers: (0..customers).map(|_| CustomerId(bits(rng))).collect(),
            shops: (0..shops).map(|_| Shop { store: StoreId(bits(rng)), owner: AccountId(bits(rng)) }).collect(),
            riders: (0..riders).map(|_| RiderId(bits(rng))).collect(),
        }
    }

    /// What everybody does before the first order.
    pub fn opening(&self, rng: &mut Rng) -> Vec<(Actor, String, Command)> {
        let mut all = vec![];
        for shop in &self.shops {
            let owner = person(shop.owner, Role::Owner);
            all.extend(opening(rng, *shop).into_iter().map(|command| (owner.clone(), shop.store.to_string(), command.into())));
        }
        for rider in &self.riders {
            for command in [rider::Command::Register { rider: *rider, name: text("박") }, rider::Command::Start { at: GANGNAM }] {
                all.push((person(rider.account(), Role::Rider), rider.to_string(), command.into()));
            }
        }
        for customer in &self.customers {
            let mut send = |command: customer::Command| {
                all.push((person(customer.account(), Role::Customer), customer.to_string(), command.into()));
            };
            send(customer::Command::Register { customer: *customer, name: text("김"), contact: contact(), lang: Lang::Ko });
            if rng.percent(30) {
                send(customer::Command::SetPreferences { lang: Lang::En, progress: false });
            }
        }
        all
    }
}

fn opening(rng: &mut Rng, shop: Shop) -> Vec<store::Command> {
    use store::Command as C;
    let price = |won| Price::new(won).expect("dishes are not that dear");
    let mut all =
        vec![C::Register {
            store: shop.store, owner: shop.owner, name: text("교촌"), address: text("서울 강남대로 1"), at: GANGNAM
        }];
    for (name, won) in DISHES {
        all.push(C::SetDish { dish: Dish { name: text(name), price: price(won), choices: vec![], sold_out: false } });
    }
    let capacity = Capacity::new(rng.between(1, 3) as u32).expect("kitchens are small here");
    all.extend([C::SetTerms { minimum: price(9_000), delivery_fee: price(3_000) }, C::SetCapacity { capacity }]);
    if rng.percent(50) {
        all.push(C::SetThanks { text: Some(text("고맙습니다")) });
    }
    if rng.percent(15) {
        let minute = |minute| shared::Count::new(minute).expect("a minute of the day");
        all.push(C::SetHours { hours: Some(Hours { from_minute: minute(600), to_minute: minute(120) }) });
    }
    all.push(C::Open {});
    all
}

pub fn contact() -> Sealed {
    Sealed("sealed".into())
}

pub fn way() -> Drop {
    let area = Point { lat: 37.5, lng: 127.04 };
    Drop { contact: contact(), area, store_at: GANGNAM, note: None, fee: Won(3_000) }
}

/// What a customer would like.
pub fn wishes(rng: &mut Rng) -> Vec<Wish> {
    let count = rng.between(1, 2) as usize;
    let first = rng.index(DISHES.len());
    let wish = |i: usize, quantity: i64| {
        let quantity = shared::Count::new(quantity as u32).expect("people are not that hungry");
        Wish { item: text(DISHES[(first + i) % DISHES.len()].0), quantity, options: vec![] }
    };
    (0..count).map(|i| wish(i, rng.between(1, 2))).collect()
}

/// The time at which a run begins: a Wednesday in Korea, between ten in the morning, when all stores are open, and midnight,
/// so that some runs see a day change.
pub fn morning(rng: &mut Rng) -> Millis {
    const MIDNIGHT_MS: Millis = 1_767_711_600_000;
    const HOUR_MS: Millis = 3_600_000;
    MIDNIGHT_MS + rng.between(10 * HOUR_MS, 24 * HOUR_MS)
}
