//! The promises of the design's section 9, judged when a run is over: what the customers, the provider and every context
//! say must agree.

use super::{
    agree,
    city::City,
    rebuild,
    watch::{Broken, OrderSeen, hold},
};
use domain::Shown;
use shared::{
    AccountId, Actor, Context, Event, Kind, Millis, OrderId, Role, Won,
    api::{LedgerAccount, MyPage, OrderShown, PaymentShown, ShopPage},
    notice,
    order::{self, Reason, Status},
    review,
};
use std::collections::{BTreeMap, BTreeSet};

/// All deadlines of an order, one after the other, and what the clocks may be wrong.
const LONGEST_MS: Millis = 34 * 3_600_000;

/// Judges a run.
pub fn check(city: &City) -> Result<(), Broken> {
    for id in city.acknowledged.values() {
        hold!(city.watch.orders.contains_key(id), "an acknowledged order is never lost: {id}");
    }
    let requests = city.nodes[Context::Order as usize].disk.answers.len();
    hold!(requests == city.watch.orders.len(), "a request makes one order: {requests} made {}", city.watch.orders.len());
    for (id, seen) in &city.watch.orders {
        hold!(seen.status.is_final(), "an order ends: {id} is {:?} when nothing happens any more", seen.status);
        let late_ms = seen.ended_ms - city.calm_from_ms;
        hold!(late_ms <= LONGEST_MS, "an order ends within its deadlines: {id} took {late_ms} ms more when all was well again");
        money(city, *id, seen)?;
        food(city, *id, seen)?;
        story(city, *id, seen)?;
    }
    agree::check(city)?;
    customers(city)?;
    shops(city)?;
    notices(city)?;
    quiet(city)?;
    rebuild::check(city)
}

pub fn shown(city: &City, kind: Kind, key: &str, actor: &Actor) -> Option<Shown> {
    let row = city.nodes[kind.context() as usize].disk.rows.get(&(kind, key.into()))?;
    row.row.show(actor)
}

pub fn person(account: AccountId, role: Role) -> Actor {
    super::cast::person(account, role)
}

pub fn operator() -> Actor {
    person(AccountId(shared::id::Bits([0xff; 10])), Role::Operator)
}

/// What came in and is kept: at the provider, in the payment, in the ledger, on the customer's page; all as the order says.
fn money(city: &City, id: OrderId, seen: &OrderSeen) -> Result<(), Broken> {
    let price = if seen.status == Status::Completed { seen.basket.total } else { Won::ZERO };
    let (mut charged, mut moved) = (BTreeMap::<bool, Won>::new(), BTreeSet::new());
    for line in city.provider.moved().filter(|line| line.order == id) {
        *charged.entry(line.refund).or_default() += line.amount;
        hold!(moved.insert(line.movement), "a movement moves money once: movement {} of {id} did again", line.movement);
    }
    let (came, went) = (charged.get(&false).copied().unwrap_or_default(), charged.get(&true).copied().unwrap_or_default());
    hold!(came - went == price, "the provider keeps what the order costs: {came} - {went} is not {price} for {id}, {:?}", seen.status);

    let Some(Shown::Payment(PaymentShown { captured, refunded, refunding, .. })) = shown(city, Kind::Payment, &id.to_string(), &operator())
    else {
        return Err(format!("an order has its payment: {id}"));
    };
    hold!((captured, refunded) == (came, went), "payment and provider agree: {captured} - {refunded}, {came} - {went} for {id}");
    hold!(refunding == Won::ZERO, "nothing stays on its way back: {refunding} of {id}");

    let mut accounts = BTreeMap::<bool, Won>::new();
    for (kind, key) in city.nodes[Context::Payment as usize].disk.rows.keys().filter(|(kind, _)| *kind == Kind::LedgerEntry) {
        let Some(Shown::LedgerEntry(entry)) = shown(city, *kind, key, &operator()) else { continue };
        if entry.order == id {
            *accounts.entry(entry.debit == LedgerAccount::Provider).or_default() += entry.amount;
            *accounts.entry(entry.credit == LedgerAccount::Provider).or_default() -= entry.amount;
        }
    }
    let (provider, orders) = (accounts.get(&true).copied().unwrap_or_default(), accounts.get(&false).copied().unwrap_or_default());
    hold!(provider + orders == Won::ZERO, "the ledger balances: {provider} and {orders} for {id}");
    hold!(provider == price, "the ledger keeps what the order costs: {provider}, not {price}, for {id}");

    let page = page(city, id, seen)?;
    hold!(
        (page.paid, page.refunded) == (came, went),
        "a customer sees the money: {} - {}, not {came} - {went}, of {id}",
        page.paid,
        page.refunded
    );
    let said = match seen.status {
        Status::Rejected | Status::Cancelled => seen.refund,
        _ => return Ok(()),
    };
    hold!(said == Won::ZERO || said <= came, "no more is promised back than came: {said} of {came} for {id}");
    Ok(())
}

/// Food and the order's end agree: nobody cooks or carries what was called off, and nobody pays for what never came.
fn food(city: &City, id: OrderId, seen: &OrderSeen) -> Result<(), Broken> {
    let (ticket, delivery) = (city.watch.tickets.get(&id), city.watch.deliveries.get(&id));
    let cooked = ticket.is_some_and(|ticket| ticket.started);
    let delivered = delivery.is_some_and(|delivery| delivery.delivered);
    let (picks, gone_back) = delivery.map_or((0, 0), |delivery| (delivery.picks, delivery.gone_back));
    hold!(delivered == (seen.status == Status::Completed), "delivered is paid and paid is delivered: {id} is {:?}", seen.status);
    if seen.status == Status::Completed {
        let (ticket, order) = (agree::ticket(city, id, seen), agree::order(city, id)?);
        let cooked = ticket.map(|ticket| ticket.basket);
        hold!(cooked.as_ref() == Some(&order.basket), "what was cooked is what is paid: {cooked:?} and {:?} for {id}", order.basket);
        return Ok(());
    }
    match &seen.reason {
        Some(Reason::NotDelivered) => hold!(picks == gone_back + 1, "who lost it, had it: {id}"),
        Some(Reason::NoRider) => hold!(picks == gone_back && cooked, "food that nobody carries was cooked and is with nobody: {id}"),
        Some(Reason::NotCooked) => hold!(picks == 0, "what was not cooked is not carried: {id}"),
        _ => {
            hold!(!cooked, "food on the stove means that the cancel did not win: {id} is {:?} for {:?}", seen.status, seen.reason);
            hold!(picks == 0, "what was called off is not carried: {id}");
        }
    }
    let over = delivery.is_none_or(|delivery| delivery.over);
    hold!(over, "an order that ended is on no rider's list: {id}");
    Ok(())
}

fn page(city: &City, id: OrderId, seen: &OrderSeen) -> Result<MyPage, Broken> {
    let actor = person(seen.about.customer.account(), Role::Customer);
    match shown(city, Kind::MyPage, &id.to_string(), &actor) {
        Some(Shown::MyPage(page)) => Ok(page),
        _ => Err(format!("a customer has a page of each order: {id}")),
    }
}

/// The customer's page tells the order's own story: no step is missing, and none comes twice.
fn story(city: &City, id: OrderId, seen: &OrderSeen) -> Result<(), Broken> {
    let OrderShown { timeline, status, basket, change, offer, .. } = agree::order(city, id)?;
    let page = page(city, id, seen)?;
    let contiguous = page.timeline.iter().zip(1..).all(|(step, version)| step.version == version);
    hold!(contiguous, "a page has no gap and no repeat: {id}");
    let told = |steps: &[shared::api::Step]| steps.iter().map(|step| (step.version, step.event.clone(), step.status)).collect::<Vec<_>>();
    hold!(page.timeline == timeline, "a page tells the order's story: {:?}, not {:?}, for {id}", told(&page.timeline), told(&timeline));
    hold!((page.status, page.basket.total) == (status, basket.total), "a page is up to date: {id}");
    hold!(change.is_none(), "no wish stays open: {id}");
    hold!(offer.is_none() && page.offer.is_none(), "no offer stays open: {id}");
    Ok(())
}

/// Each completed order counts once for its customer.
fn customers(city: &City) -> Result<(), Broken> {
    for customer in &city.cast.customers {
        let orders = city.watch.orders.values();
        let completed = orders.filter(|seen| seen.about.customer == *customer && seen.status == Status::Completed).count() as u32;
        let actor = person(customer.account(), Role::Customer);
        let Some(Shown::Customer(profile)) = shown(city, Kind::Customer, &customer.to_string(), &actor) else {
            return Err(format!("a customer has a profile: {customer}"));
        };
        hold!(profile.completed == completed, "each completed order counts once: {} of {completed} for {customer}", profile.completed);
    }
    Ok(())
}

/// A shop page shows the last day on which something happened, and ratings of all time, as a recount of the journals does.
fn shops(city: &City) -> Result<(), Broken> {
    let orders: Vec<&order::Event> = city.nodes[Context::Order as usize]
        .disk
        .events()
        .filter_map(|recorded| match &recorded.event {
            Event::Order(event) => Some(event),
            _ => None,
        })
        .collect();
    for shop in &city.cast.shops {
        let Some(Shown::ShopPage(page)) = shown(city, Kind::ShopPage, &shop.store.to_string(), &person(shop.owner, Role::Owner)) else {
            return Err(format!("a shop has a page: {}", shop.store));
        };
        let today = orders.iter().filter(|event| event.about().store == shop.store && domain::clock::day(event.at_ms()) == page.day);
        let mut recount =
            ShopPage { orders: 0, completed: 0, rejected: 0, cancelled: 0, revenue: Won::ZERO, reviews: 0, stars: 0, ..page.clone() };
        for event in today {
            match event {
                order::Event::Paid { .. } => recount.orders += 1,
                order::Event::Rejected { .. } => recount.rejected += 1,
                order::Event::Cancelled { refund, .. } => recount.cancelled += u32::from(*refund > Won::ZERO),
                order::Event::Completed { total, .. } => {
                    recount.completed += 1;
                    recount.revenue += *total;
                }
                _ => {}
            }
        }
        for recorded in city.nodes[Context::Customer as usize].disk.events() {
            if let Event::Review(review::Event::Written { about, stars, .. }) = &recorded.event
                && about.store == shop.store
            {
                recount.reviews += 1;
                recount.stars += stars.get();
            }
        }
        hold!(page == recount, "a shop page counts each event once: {page:?}, not {recount:?}");
    }
    Ok(())
}

/// Every change was told once, to whom it concerns, and every notice was handed over or left out as its reader wishes.
fn notices(city: &City) -> Result<(), Broken> {
    let sources = domain::sources(Context::Notification).into_iter().flat_map(|source| city.nodes[source as usize].disk.events());
    let wanted: BTreeSet<String> =
        sources.flat_map(|recorded| domain::react(Context::Notification, &recorded.event)).map(|reaction| reaction.stream).collect();
    let mut told = BTreeMap::<&str, (u32, u32)>::new();
    let mut failed = 0;
    for recorded in city.nodes[Context::Notification as usize].disk.events() {
        let Event::Notice(event) = &recorded.event else { continue };
        let (queued, done) = told.entry(&recorded.stream).or_default();
        match event {
            notice::Event::Queued { .. } => *queued += 1,
            notice::Event::Sent { .. } | notice::Event::Skipped { .. } => *done += 1,
            // It was not, after all, and must be again by another way.
            notice::Event::Reported { outcome: notice::Outcome::Failed, .. } => (*done, failed) = (*done - 1, failed + 1),
            notice::Event::Reported { .. } => {}
        }
    }
    for (key, counts) in &told {
        hold!(*counts == (1, 1), "a notice is queued once and done once: {key} {counts:?}");
    }
    let missing: Vec<_> = wanted.iter().filter(|key| !told.contains_key(key.as_str())).collect();
    hold!(failed > 0 || told.len() < 100, "some texts never arrive");
    hold!(missing.is_empty() && told.len() == wanted.len(), "all changes are told, and nothing else: {missing:?} are not");
    Ok(())
}

/// Nothing is left over.
fn quiet(city: &City) -> Result<(), Broken> {
    hold!(city.watch.unfinished() == 0, "no ticket stays open and no rider keeps a job");
    for node in &city.nodes {
        let name = node.context.name();
        hold!(node.disk.parked.is_empty(), "nothing is parked: {:?}", node.disk.parked);
        hold!(node.disk.timers.is_empty(), "no deadline is left: {name} has {:?}", node.disk.timers.keys());
        for (source, partition) in &node.sources {
            let (heard, said) = (node.core.cursor(*source, *partition), city.nodes[*source as usize].disk.heads()[usize::from(*partition)]);
            hold!(heard == said, "everything is heard: {name} heard {heard} of {said} of {}.{partition}", source.name());
        }
        let notices = domain::notification::LISTS.map(|list| (Kind::Notice, list));
        let reports = (Kind::Notice, domain::notification::REPORT);
        let payments = domain::payment::LISTS.map(|list| (Kind::Payment, list));
        let left: Vec<_> = payments.iter().chain(&notices).chain([&reports]).flat_map(|(kind, due)| node.disk.list(*kind, due)).collect();
        hold!(left.is_empty(), "no work is left: {name} has {left:?}");
        let jobs: Vec<_> = node.disk.lists.iter().filter(|((kind, _), list)| *kind == Kind::DeliveryInfo && !list.is_empty()).collect();
        hold!(jobs.is_empty(), "no job is listed when all is over: {jobs:?}");
    }
    Ok(())
}
