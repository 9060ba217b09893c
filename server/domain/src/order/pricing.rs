//! What a wish costs. Prices come from the storefront, never from the customer.

use crate::clock;
use shared::{
    Millis, Refusal, Won,
    api::NewOrder,
    order::{Basket, Line, Wish},
    store::Profile,
};

/// Prices the dishes of a wish.
///
/// # Errors
/// Refuses what the store does not offer now, less than it brings, and more than can be paid at once.
pub fn price(store: &Profile, wishes: &[Wish], at_ms: Millis) -> Result<Basket, Refusal> {
    if !clock::is_open(store, at_ms) {
        return Err(Refusal::StoreClosed {});
    }
    if wishes.len() > NewOrder::MAX_ITEMS {
        return Err(Refusal::TooMany { maximum: NewOrder::MAX_ITEMS as u32 });
    }
    let lines = wishes.iter().map(|wish| line(store, wish)).collect::<Result<Vec<_>, _>>()?;
    let food: Won = lines.iter().map(|line| line.each * line.quantity.get()).sum();
    // Nothing can be charged for nothing, so even without a minimum the dishes are worth a won.
    let minimum = store.minimum.max(Won(1));
    if food < minimum {
        return Err(Refusal::BelowMinimum { minimum });
    }
    let total = food + store.delivery_fee;
    if total > Won::MAX {
        return Err(Refusal::TooExpensive { maximum: Won::MAX });
    }
    Ok(Basket { lines, delivery_fee: store.delivery_fee, total })
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
