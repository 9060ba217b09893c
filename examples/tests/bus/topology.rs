//! After every reconnect the broker has what it is meant to have: exchanges, queues, bindings, prefetch and consumers.

use super::{proxy::Proxy, *};
use server::bus::rabbitmq::{
    PREFETCH,
    topology::{self, Item},
};
use std::collections::BTreeSet;

const ROUNDS: u64 = 50;
/// Who listens to whom, in which partition.
const LISTENERS: [(Context, &[Context], u16); 3] = [
    (Context::Order, &[Context::Rider, Context::Store], 0),
    (Context::Order, &[Context::Rider, Context::Store], 1),
    (Context::Customer, &[Context::Rider], 0),
];

/// Says what there is in the words of our own list, a line for each; and closes all connections afterwards, if so told.
const ASK: &str = r#"
W = fun W(0) -> ok; W(Left) -> case length(rabbit_networking:connections()) of 2 -> ok; _ -> timer:sleep(50), W(Left - 1) end end, W(60),
N = fun({resource, _, _, Name}) -> Name end,
G = fun(Key, List) -> proplists:get_value(Key, List) end,
A = fun(Table) -> lists:sort([lists:flatten(io_lib:format(" ~s=~s", [K, if is_binary(V) -> V; true -> io_lib:format("~p", [V]) end])) || {K, _, V} <- Table]) end,
Ours = fun(Name) -> string:prefix(Name, "baemin.") =/= nomatch end,
[io:format("exchange ~s (~s)~n", [N(G(name, I)), G(type, I)]) || I <- rabbit_exchange:info_all(<<"/">>, [name, type, durable]),
  Ours(N(G(name, I))), G(durable, I)],
[io:format("queue ~s~s~n", [N(G(name, I)), A(G(arguments, I))]) || I <- rabbit_amqqueue:info_all(<<"/">>, [name, durable, arguments]),
  G(durable, I)],
[io:format("binding ~s -> ~s (~s)~n", [G(source_name, I), G(destination_name, I), G(routing_key, I)])
  || I <- rabbit_binding:info_all(<<"/">>, [source_name, destination_name, routing_key]), G(source_name, I) =/= <<>>],
[io:format("channel ~p ~p~n", [G(prefetch_count, I), G(confirm, I)]) || I <- rabbit_channel:info_all([prefetch_count, confirm])],
[io:format("consumer ~s ~p ~p ~p~n", [N(G(queue_name, I)), G(prefetch_count, I), G(ack_required, I), G(active, I)])
  || I <- rabbit_amqqueue:consumers_all(<<"/">>)],
"#;
const CLOSE: &str = r#"[rabbit_networking:close_connection(P, "a test") || P <- rabbit_networking:connections()], ok."#;

/// What is meant to be there.
fn intended() -> Vec<String> {
    let ears = LISTENERS.iter().flat_map(|(listener, sources, partition)| topology::ears(*listener, sources, *partition));
    let mut lines: Vec<_> = topology::common().into_iter().chain(ears).filter_map(shown).collect();
    lines.extend(["channel 0 true".to_owned(), "channel 0 false".to_owned()]);
    for (listener, _, partition) in LISTENERS {
        lines.push(format!("channel {PREFETCH} false"));
        lines.push(format!("consumer {} {PREFETCH} true true", topology::queue(listener, partition)));
    }
    lines.sort();
    lines
}

/// A line of the answer for an item; the arguments in a fixed order.
fn shown(item: Item) -> Option<String> {
    match &item {
        Item::NoBinding { .. } => None,
        Item::Queue { name, arguments } => {
            let arguments: BTreeSet<_> = arguments.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            Some(format!("queue {name}{}", arguments.into_iter().collect::<String>()))
        }
        other => Some(other.to_string()),
    }
}

fn asked(broker: &RabbitMq, then: &str) -> Vec<String> {
    let said = broker.control(&["eval", &format!("{ASK}{then}")]).unwrap();
    let mut lines: Vec<_> = said.lines().filter(|line| line.contains(' ')).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reconnects_leave_the_broker_as_it_is_meant_to_be() {
    let alone = Alone::start().await;
    let url = alone.broker.url();
    let port: u16 = url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::to(port).await;
    let way = url.replace(&port.to_string(), &proxy.port.to_string());
    let bus = bus::open(&Place::parse(&way).unwrap(), PARTITIONS).unwrap();
    connected(&*bus).await;
    let mut ears: Vec<_> = LISTENERS.iter().map(|(listener, sources, partition)| bus.listen(*listener, sources, *partition)).collect();
    let mut channels: Vec<_> = ears.iter_mut().map(|ears| ears.take(Context::Rider).unwrap()).collect();
    connected(&*bus).await;
    leave_a_binding(&url).await;
    let (wanted, began) = (intended(), Instant::now());
    for round in 1..=ROUNDS {
        let sessions = bus.health().sessions;
        if round % 2 == 1 {
            proxy.cut();
        } else {
            // What the reconnect before has left behind is looked at before all is closed again.
            assert_eq!(asked(&alone.broker, CLOSE), wanted, "after reconnect {}", round - 1);
        }
        until("both sessions are built again", || bus.health().sessions >= sessions + 2 && bus.health().connected).await;
        for (channel, (_, _, partition)) in channels.iter_mut().zip(LISTENERS) {
            bus.publish(Context::Rider, partition, batch(partition, round, 1));
            hear(channel, round).await;
        }
        if round % 2 == 0 {
            assert_eq!(asked(&alone.broker, "ok."), wanted, "after reconnect {round}");
        }
    }
    println!("{ROUNDS} forced reconnects in {:.1?}, and {} things are as they were meant each time", began.elapsed(), wanted.len());
}

/// A binding that an older version would have left behind.
async fn leave_a_binding(url: &str) {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let key = "notification.0.#".into();
    channel.queue_bind("baemin.order.0".into(), topology::EVENTS.into(), key, Default::default(), Default::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}
