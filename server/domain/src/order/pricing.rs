//! What a wish costs, and what is left of an order without some of its dishes. Prices come from the storefront or from the
//! order itself, never from whoever asks.

use crate::clock;
use shared::{
    Millis, Refusal, Text, Won,
    api::NewOrder,
    order::{Basket, Line, Wish},
    store::Profile,
};

/// Nothing can be charged for nothing, so even without a minimum the dishes are worth a won.
const LEAST: Won = Won(1);

/// Prices the dishes of a new order.
///
/// # Errors
/// As [`price`]; and refuses every order of a store that takes none now.
pub fn order(store: &Profile, wishes: &[Wish], at_ms: Millis) -> Result<Basket, Refusal> {
    if !clock::takes_orders(store, at_ms) {
        return Err(Refusal::StoreClosed {});
    }
    price(store, wishes)
}

/// Prices the dishes of a wish. Whoever has an order may change it when the store takes no more of them: what is on its wall
/// is cooked.
///
/// # Errors
/// Refuses what the store does not offer now, less than it brings, and more than can be paid at once.
pub fn price(store: &Profile, wishes: &[Wish]) -> Result<Basket, Refusal> {
    if wishes.len() > NewOrder::MAX_ITEMS {
        return Err(Refusal::TooMany { maximum: NewOrder::MAX_ITEMS as u32 });
    }
    let lines = wishes.iter().map(|wish| line(store, wish)).collect::<Result<Vec<_>, _>>()?;
    let food = worth(&lines);
    let minimum = store.minimum.max(LEAST);
    if food < minimum {
        return Err(Refusal::BelowMinimum { minimum });
    }
    let total = food + store.delivery_fee;
    if total > Won::MAX {
        return Err(Refusal::TooExpensive { maximum: Won::MAX });
    }
    Ok(Basket { lines, delivery_fee: store.delivery_fee, total })
}

/// What is left without some dishes. The others cost what they cost when they were ordered, and the store's minimum does not
/// apply: it is the store that brings less.
///
/// # Errors
/// Refuses to leave out what was not ordered, and to leave nothing: an order of nothing is one that the store rejects.
pub fn without(basket: &Basket, items: &[Text<60>]) -> Result<Basket, Refusal> {
    let of = |item: &Text<60>| basket.lines.iter().filter(|line| line.item == *item).count();
    if let Some(item) = items.iter().find(|item| of(item) == 0) {
        return Err(Refusal::NotOrdered { item: item.clone() });
    }
    let lines: Vec<Line> = basket.lines.iter().filter(|line| !items.contains(&line.item)).cloned().collect();
    // Of a single dish nothing can be left out, whichever is meant.
    let is_one_dish = basket.lines.first().is_none_or(|line| of(&line.item) == basket.lines.len());
    let food = worth(&lines);
    if is_one_dish || food < LEAST {
        return Err(Refusal::NothingLeft {});
    }
    Ok(Basket { lines, delivery_fee: basket.delivery_fee, total: food + basket.delivery_fee })
}

fn worth(lines: &[Line]) -> Won {
    lines.iter().map(|line| line.each * line.quantity.get()).sum()
}

fn line(store: &Profile, wish: &Wish) -> Result<Line, Refusal> {
    let dish = store.menu.iter().find(|dish| dish.name == wish.item).ok_or_else(|| Refusal::UnknownDish { item: wish.item.clone() })?;
    if dish.sold_out {
        return Err(Refusal::SoldOut { item: wish.item.clone() });
    }
    let mut each = Won::from(dish.price);
    for (i, name) in wish.options.iter().enumerate() {
        let choice = dish.choices.iter().find(|choice| choice.name == *name);
        // An option is chosen once or not at all.
        let choice = choice.filter(|_| !wish.options[..i].contains(name)).ok_or_else(|| Refusal::UnknownChoice { choice: name.clone() })?;
        each += Won::from(choice.price);
    }
    Ok(Line { item: wish.item.clone(), quantity: wish.quantity, options: wish.options.clone(), each })
}
