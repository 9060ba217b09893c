//! What every command has at hand: the client of the profile in use, the output, and the way to ask.

use crate::{
    Exit, Failure,
    args::Global,
    client::{Client, Reply},
    config::{Config, DEFAULT_SERVER, Home, Profile},
    output::{Output, can_ask},
    prompt,
    session::Session,
};
use serde::Serialize;
use shared::{
    Contact, CustomerId, Lang, OrderId, RiderId, Role, StoreId,
    api::{CustomerShown, MaybeSealed},
    id::Bits,
};
use std::{
    future::Future,
    io::IsTerminal,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A faster answer needs no spinner.
const PATIENCE: Duration = Duration::from_millis(300);

/// What to say when Ctrl-C ends the command.
pub type Farewell = Arc<Mutex<Option<String>>>;

/// What every command has at hand.
pub struct Context {
    /// Of the profile in use.
    pub client: Client,
    /// Where to say things.
    pub out: Output,
    /// The reader's language.
    pub lang: Lang,
    /// Where the files are.
    pub home: Home,
    /// As it was read.
    pub config: Config,
    /// The profile's name.
    pub name: String,
    /// The profile.
    pub profile: Profile,
    yes: bool,
    no_input: bool,
    /// How a command line begins that works when it is typed here.
    pub prefix: String,
    farewell: Farewell,
}

impl Context {
    /// Puts it together. `makes_profile` when the command may be the first of its profile.
    ///
    /// # Errors
    /// For an unknown profile, and for files that cannot be read.
    pub fn new(global: Global, lang: Lang, home: Home, config: Config, makes_profile: bool, farewell: Farewell) -> Result<Self, Failure> {
        let name = config.name(global.profile.as_deref());
        let profile = match config.profile(&name) {
            Some(profile) => profile,
            None if makes_profile => Profile::default(),
            None => {
                let what = lang.pick(format!("없는 프로필이에요: {name}"), format!("there is no such profile: {name}"));
                return Err(Failure::usage(what).hint(format!("baemin profile add {name} --server {DEFAULT_SERVER}")));
            }
        };
        let server = global.server.as_deref().or(profile.server.as_deref()).unwrap_or(DEFAULT_SERVER);
        let client = Client::new(server, lang, Session::on_disk(&home.state, server, &name))?;
        let in_use = config.current.as_deref().unwrap_or(crate::config::DEFAULT_PROFILE);
        // What is suggested must work when it is typed: it names the profile when that is not the one in use.
        let from_environment = std::env::var("BAEMIN_PROFILE").is_ok_and(|p| p == name);
        let prefix = if name == in_use || from_environment { "baemin".to_owned() } else { format!("baemin --profile {name}") };
        let out = Output::new(global.output, lang, global.quiet, global.color);
        Ok(Self { client, out, lang, home, config, name, profile, yes: global.yes, no_input: global.no_input, prefix, farewell })
    }

    /// Chooses the text of the reader's language.
    pub fn t<T>(&self, ko: T, en: T) -> T {
        self.lang.pick(ko, en)
    }

    /// A command line to type.
    pub fn line(&self, rest: &str) -> String {
        format!("{} {rest}", self.prefix)
    }

    /// Says what to type next.
    pub fn next(&self, rest: &str) {
        self.out.next(&self.line(rest));
    }

    /// Waits with a spinner on standard error, if it takes long and somebody looks.
    pub async fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
            return done;
        }
        let spinner = (std::io::stderr().is_terminal() && !self.out.quiet).then(|| {
            let spinner = indicatif::ProgressBar::new_spinner().with_message(self.t("기다리는 중..", "waiting.."));
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        let done = work.await;
        spinner.inspect(indicatif::ProgressBar::finish_and_clear);
        done
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        about(path, self.wait(self.client.get(path)).await)
    }

    /// Reads, with parameters.
    pub async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Reply, Failure> {
        about(path, self.wait(self.client.get_with(path, query)).await)
    }

    /// Creates.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        about(path, self.wait(self.client.post(path, body)).await)
    }

    /// Moves.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        about(path, self.wait(self.client.put(path, body)).await)
    }

    /// True when somebody can be asked.
    pub fn can_ask(&self) -> bool {
        !self.no_input && can_ask()
    }

    /// Asks for a yes, unless it was given or nobody can be asked.
    ///
    /// # Errors
    /// When the answer is no.
    pub fn confirm(&self, ko: &str, en: &str) -> Result<(), Failure> {
        if self.yes || !self.can_ask() || prompt::confirm(self.t(ko, en), true)? {
            return Ok(());
        }
        Err(Failure::new(Exit::Interrupted, self.t("그만두었어요. 바뀐 것은 없어요", "stopped; nothing was changed")))
    }

    /// Says which arguments are missing.
    pub fn missing(&self, flags: &str, example: &str) -> Failure {
        let what = self.t(format!("빠진 값이 있어요: {flags}"), format!("something is missing: {flags}"));
        Failure::usage(what).hint(self.line(example))
    }

    /// The account of whoever is logged in.
    fn me(&self) -> Result<Bits, Failure> {
        Ok(self.client.me()?.account.0)
    }

    /// Whoever is logged in, as a customer.
    pub fn customer(&self) -> Result<CustomerId, Failure> {
        self.me().map(CustomerId)
    }

    /// Whoever is logged in, as a rider.
    pub fn rider(&self) -> Result<RiderId, Failure> {
        self.me().map(RiderId)
    }

    /// What whoever is logged in may be.
    pub fn roles(&self) -> Vec<Role> {
        self.client.tokens().map(|t| t.roles).unwrap_or_default()
    }

    /// The contact on the customer's profile; `None` without a profile.
    pub async fn contact(&self) -> Result<Option<Contact>, Failure> {
        match self.get(&format!("/customers/{}", self.customer()?)).await {
            Ok(reply) => Ok(match reply.read::<CustomerShown>()?.contact {
                Some(MaybeSealed::Open(contact)) => Some(contact),
                _ => None,
            }),
            Err(failure) if failure.exit == Exit::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The store to work on: as asked, as in the profile, or the only one there is.
    pub async fn store(&self, asked: Option<StoreId>) -> Result<StoreId, Failure> {
        if let Some(store) = asked.or(self.profile.store) {
            return Ok(store);
        }
        let stores: Vec<shared::store::Profile> = self.get("/stores").await?.list()?;
        match stores.as_slice() {
            [] => {
                Err(Failure::new(Exit::NotFound, self.t("등록한 가게가 없어요", "you have no store yet")).hint(self.line("store register")))
            }
            [only] => Ok(only.store),
            several if self.can_ask() => {
                let names: Vec<String> = several.iter().map(|s| format!("{}  {}", s.name, s.store)).collect();
                Ok(several[prompt::select(self.t("어느 가게인가요?", "Which store?"), &names)?].store)
            }
            several => {
                let names: Vec<String> = several.iter().map(|s| format!("{} ({})", s.store, s.name)).collect();
                Err(self.missing("--store", "store list").why(names.join(", ")))
            }
        }
    }

    /// Changes the profile in use and keeps it.
    pub fn keep(&self, change: impl FnOnce(&mut Profile)) -> Result<(), Failure> {
        let server = self.client.server();
        self.home.change(|config| {
            let profile = config.profiles.entry(self.name.clone()).or_default();
            if profile.server.is_none() && server != DEFAULT_SERVER {
                profile.server = Some(server.to_owned());
            }
            change(profile);
        })?;
        Ok(())
    }

    /// What Ctrl-C says from now on.
    pub fn on_interrupt(&self, text: Option<String>) {
        *self.farewell.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// What was answered; a failure suggests something about the order of this path.
fn about<T>(path: &str, answer: Result<T, Failure>) -> Result<T, Failure> {
    let order = path.split('/').find(|part| OrderId::parse(part).is_some());
    answer.map_err(|failure| match order {
        Some(order) => failure.about(order),
        None => failure,
    })
}
