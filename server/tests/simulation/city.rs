//! The whole city: six contexts, the network between them, the outside world, and a clock that jumps.

use super::{
    actors::{Mood, View, request},
    agree,
    cast::{Cast, bits, morning},
    coverage::Coverage,
    network::Network,
    node::{Load, Node, Request},
    provider::{Provider, by_worker},
    rng::Rng,
    story::{Story, words},
    watch::{Broken, Watch},
};
use domain::Row;
use shared::{Actor, Command, Context, Kind, Millis, OrderId, Role, notice, order};
use std::{collections::BTreeMap, sync::Arc};

/// Work in one transaction while the city lives; when it calms down, everything that has arrived.
const BATCH: i64 = 8;
/// Events fetched from a feed at once.
const FETCH: i64 = 12;
/// A city that is not quiet after so many rounds never will be.
const MAX_ROUNDS: usize = 4_000;

/// Everything there is.
pub struct City {
    pub rng: Rng,
    pub story: Story,
    pub nodes: Vec<Node>,
    pub provider: Provider,
    pub watch: Watch,
    pub cast: Cast,
    /// Orders whose customers were told that they were taken, by the key of the request.
    pub acknowledged: BTreeMap<[u8; 16], OrderId>,
    pub coverage: Coverage,
    pub network: Network,
    pub mood: Mood,
    pub now_ms: Millis,
    /// Requests of people who got no answer, and will try again.
    pub unanswered: Vec<Request>,
    to_place: u64,
    /// Transactions of a hundred thousand that end otherwise than with a commit.
    pub trouble: u64,
    /// Minutes that may pass at once.
    pace: i64,
    /// False before the first order and after the last step: then nothing goes wrong.
    pub stormy: bool,
    /// When the last storm was over.
    pub calm_from_ms: Millis,
}

impl City {
    pub fn new(seed: u64, story: Story) -> Self {
        let mut rng = Rng::new(seed);
        let partitions: Vec<usize> = Context::ALL.iter().map(|_| rng.between(1, 3) as usize).collect();
        let of = |context: Context| partitions[context as usize] as u16;
        let links = |context| domain::sources(context).into_iter().flat_map(|source| (0..of(source)).map(move |p| (source, p))).collect();
        let skew = rng.pick(&[0, 0, 2_000, 20 * 60_000]);
        let nodes =
            Context::ALL.map(|context| Node::new(context, usize::from(of(context)), links(context), rng.between(-skew, skew))).into();
        let network = Network::new(&mut rng);
        let mood = Mood::new(&mut rng, network.unruly);
        Self {
            story,
            nodes,
            provider: Provider::default(),
            watch: Watch::default(),
            cast: Cast::new(&mut rng),
            acknowledged: BTreeMap::new(),
            coverage: Coverage::default(),
            network,
            mood,
            now_ms: morning(&mut rng),
            unanswered: vec![],
            to_place: rng.pick(&[1, 1, 2, 2, 3, 4, 6]),
            trouble: rng.pick(&[0, 300, 1_500, 6_000]),
            pace: rng.pick(&[1, 1, 4, 20]),
            stormy: false,
            calm_from_ms: 0,
            rng,
        }
    }

    /// A whole run, up to the point where nothing can happen any more.
    pub fn live(&mut self) -> Result<(), Broken> {
        for (by, stream, command) in self.cast.opening(&mut self.rng) {
            let now_ms = self.nodes[command.kind().context() as usize].clock(self.now_ms);
            let opening = request(by, stream, command, now_ms);
            self.node(opening.order.command.kind().context()).inbox.push(Load::Command(Box::new(opening)));
        }
        self.calm(false)?;
        self.stormy = true;
        for _ in 0..60 + 200 * self.to_place {
            self.step()?;
        }
        self.stormy = false;
        self.calm_from_ms = self.now_ms;
        for node in &mut self.nodes {
            node.away_until_ms = 0;
        }
        self.calm(true)
    }

    pub fn node(&mut self, context: Context) -> &mut Node {
        &mut self.nodes[context as usize]
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.now_ms += self.rng.between(0, 400);
        match self.rng.below(100) {
            0..50 => self.somebody_works(),
            50..74 => {
                self.somebody_acts();
                Ok(())
            }
            74..82 => self.ask_provider(),
            82..85 => {
                self.send_notices();
                Ok(())
            }
            85..92 => {
                self.time_passes();
                Ok(())
            }
            92..96 => self.fire_timers(),
            _ => {
                let node = self.rng.index(self.nodes.len());
                let node = &mut self.nodes[node];
                node.behind.extend(node.sources.iter());
                Ok(())
            }
        }
    }

    /// One context, whichever has something to do, works some of it off in one transaction.
    fn somebody_works(&mut self) -> Result<(), Broken> {
        let there = |node: &&Node| !node.is_quiet() && node.away_until_ms <= self.now_ms;
        let busy: Vec<Context> = self.nodes.iter().filter(there).map(|node| node.context).collect();
        if busy.is_empty() {
            return Ok(());
        }
        let context = self.rng.pick(&busy);
        let mut loads = self.fetch(context, FETCH);
        let (shuffle, most) = (self.network.shuffle, self.rng.between(1, BATCH) as usize);
        let inbox = &mut self.nodes[context as usize].inbox;
        while loads.len() < most && !inbox.is_empty() {
            loads.push(if self.rng.percent(shuffle) { self.rng.take(inbox) } else { inbox.remove(0) });
        }
        let timers = self.rng.percent(30);
        self.transact(context, loads, timers)
    }

    /// What a context's subscriptions fetch from feeds, because they know or fear that they missed it.
    fn fetch(&mut self, context: Context, limit: i64) -> Vec<Load> {
        let behind: Vec<_> = self.nodes[context as usize].behind.iter().copied().collect();
        let mut loads = vec![];
        for (source, partition) in behind {
            if self.stormy && self.rng.percent(30) {
                continue;
            }
            let cursor = self.nodes[context as usize].core.cursor(source, partition);
            let limit = self.rng.between(1, limit) as usize;
            let events = self.network.fetch(&mut self.rng, &self.nodes, (context, source, partition), cursor, limit);
            if events.is_empty() {
                self.node(context).behind.remove(&(source, partition));
            } else {
                loads.push(Load::Events { source, partition, events: events.into() });
            }
        }
        loads
    }

    fn fire_timers(&mut self) -> Result<(), Broken> {
        let now_ms = self.now_ms;
        let due = |node: &&Node| node.away_until_ms <= now_ms && node.next_due().is_some_and(|due| due <= now_ms);
        let due: Vec<Context> = self.nodes.iter().filter(due).map(|node| node.context).collect();
        if due.is_empty() {
            return Ok(());
        }
        let context = self.rng.pick(&due);
        self.transact(context, vec![], true)
    }

    fn somebody_acts(&mut self) {
        let sent = match self.unanswered.pop() {
            Some(again) if self.rng.percent(60) => Some(self.again(again)),
            other => {
                self.unanswered.extend(other);
                self.new_request()
            }
        };
        if let Some(request) = sent {
            self.story.tell(|| format!("{} sends {} {}", who(&request), request.order.stream, words(&request.order.command)));
            self.send(request);
        }
    }

    /// A request arrives, if there is anybody.
    fn send(&mut self, mut request: Request) {
        let node = &mut self.nodes[request.order.command.kind().context() as usize];
        if node.away_until_ms > self.now_ms {
            return self.unheard(&request);
        }
        // The edge stamps by the clock of its own process.
        request.order.stamp.at_ms = node.clock(self.now_ms);
        node.inbox.push(Load::Command(Box::new(request)));
    }

    fn new_request(&mut self) -> Option<Request> {
        let orders = &self.nodes[Context::Order as usize].disk;
        let now_ms = self.nodes[Context::Order as usize].clock(self.now_ms);
        let view = View { cast: &self.cast, watch: &self.watch, orders, now_ms };
        let request = if self.to_place > 0 && (self.watch.orders.is_empty() || self.rng.percent(12)) {
            let place = view.place(&mut self.rng)?;
            self.to_place -= 1;
            place
        } else {
            view.act(&mut self.rng, &self.mood)?
        };
        // Some people press twice.
        if self.rng.percent(8) {
            self.unanswered.push(request.clone());
        }
        Some(request)
    }

    /// The same request at a later time. A new order gets a new id at the edge, as each request does; the key is the same.
    fn again(&mut self, mut request: Request) -> Request {
        if let (Some(answer), Command::Order(order::Command::Place { about, .. })) = (&mut request.answer, &mut request.order.command) {
            about.order = OrderId(bits(&mut self.rng));
            request.order.stream = about.order.to_string().into();
            answer.stream = request.order.stream.clone();
        }
        request
    }

    fn ask_provider(&mut self) -> Result<(), Broken> {
        if self.node(Context::Payment).away_until_ms > self.now_ms {
            return Ok(());
        }
        let answers = self.provider.work(&mut self.rng, &self.nodes[Context::Payment as usize].disk, self.now_ms)?;
        for answer in answers {
            self.send(answer);
        }
        Ok(())
    }

    fn send_notices(&mut self) {
        let disk = &self.nodes[Context::Notification as usize].disk;
        let mut sent = vec![];
        let lists = [domain::notification::DUE, domain::notification::PROGRESS, domain::notification::REPORT];
        for key in lists.iter().flat_map(|list| disk.list(Kind::Notice, list)) {
            let Some(Row::Notice(Some(known))) = disk.rows.get(&(Kind::Notice, key.clone())).map(|stored| &*stored.row) else { continue };
            let wishes = disk.rows.get(&(Kind::Preference, Arc::from(known.notice.to.to_string())));
            let progress = !matches!(wishes.map(|stored| &*stored.row), Some(Row::Preference(wish)) if !wish.progress);
            let wanted = progress || known.notice.topic.is_mandatory();
            // Every third text never arrives, and goes by another way.
            let arrives = key.bytes().map(u32::from).sum::<u32>() % 3 > 0;
            let command = match known.status {
                notice::Status::Sent => {
                    notice::Command::Report { outcome: if arrives { notice::Outcome::Delivered } else { notice::Outcome::Failed } }
                }
                _ if wanted => {
                    let way = if known.way.is_none() { notice::Way::Solapi } else { notice::Way::Webhook };
                    notice::Command::MarkSent { way: Some(way) }
                }
                _ => notice::Command::MarkSkipped { why: None },
            };
            sent.push(by_worker(key.to_string(), command, self.now_ms));
        }
        for sent in sent {
            self.send(sent);
        }
    }

    fn time_passes(&mut self) {
        let next = self.nodes.iter().filter_map(Node::next_due).min();
        self.now_ms = match next {
            Some(next) if self.rng.percent(10) => self.now_ms.max(next),
            _ => self.now_ms + self.rng.between(1_000, self.pace * 60_000),
        };
        self.story.tell(|| format!("it is {}", self.now_ms));
    }

    /// Nobody does anything new, nothing goes wrong, and everything that is on its way arrives. With `deadlines`, time
    /// jumps from one to the next until there is none.
    fn calm(&mut self, deadlines: bool) -> Result<(), Broken> {
        self.unanswered.clear();
        for _ in 0..MAX_ROUNDS {
            self.settle()?;
            agree::check(self)?;
            if !deadlines {
                return Ok(());
            }
            self.ask_provider()?;
            self.send_notices();
            if self.nodes.iter().any(|node| !node.is_quiet()) {
                continue;
            }
            let disk = &self.nodes[Context::Payment as usize].disk;
            let owed = domain::payment::LISTS.iter().any(|list| disk.list(Kind::Payment, list).next().is_some());
            let slow = self.provider.next_ms(self.now_ms).filter(|_| owed);
            let next = self.nodes.iter().filter_map(Node::next_due).chain(slow).min();
            match next {
                Some(next) => self.now_ms = self.now_ms.max(next),
                None if owed => {}
                None => return Ok(()),
            }
            for context in Context::ALL {
                if self.nodes[context as usize].next_due().is_some_and(|due| due <= self.now_ms) {
                    self.transact(context, vec![], true)?;
                }
            }
        }
        Err(format!("the city becomes quiet: after {MAX_ROUNDS} rounds it was not"))
    }

    /// Delivers everything, and what everything causes.
    fn settle(&mut self) -> Result<(), Broken> {
        loop {
            let mut idle = true;
            for context in Context::ALL {
                self.miss_nothing(context);
                let mut loads = std::mem::take(&mut self.node(context).inbox);
                loads.extend(self.fetch(context, 64));
                if !loads.is_empty() || !self.node(context).is_quiet() {
                    idle = false;
                    self.transact(context, loads, false)?;
                }
            }
            if idle {
                return Ok(());
            }
        }
    }

    /// A context finds out what it has not heard.
    fn miss_nothing(&mut self, context: Context) {
        let node = &self.nodes[context as usize];
        let heard = |&(source, partition): &(Context, u16)| {
            node.core.cursor(source, partition) == self.nodes[source as usize].disk.heads()[usize::from(partition)]
        };
        let behind = node.sources.iter().filter(|link| !heard(link)).copied().collect();
        self.node(context).behind = behind;
    }
}

fn who(request: &Request) -> &'static str {
    match &request.order.stamp.by {
        _ if request.foreign => "a stranger",
        Actor::System => "a worker",
        Actor::Person { roles, .. } => match roles[..] {
            [Role::Customer] => "a customer",
            [Role::Owner] => "an owner",
            _ => "a rider",
        },
    }
}
