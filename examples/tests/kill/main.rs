//! A server is killed with SIGKILL again and again while people order, and nothing that it acknowledged is lost or happens
//! twice.
//!
//! The clients keep a log of their own, repeat what was not answered under the same key, and finish what they began. Then
//! the [`oracle`] compares that log with every database and with the provider's journal. `KILL_ROUNDS` sets the number of
//! kills, `KILL_SEED` repeats a run's choices.

mod client;
mod oracle;
mod settle;
mod story;

use client::Client;
use examples::{
    http::Host,
    people::Party,
    process::{Server, program},
    seed::Seed,
};
use shared::Point;
use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use story::Story;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// How often the server is killed.
const ROUNDS: u32 = 200;
/// People who order at the same time.
const CLIENTS: usize = 8;
/// A server lives between so many and so many milliseconds, from its ready line on.
const LIVES_MS: (u64, u64) = (5, 120);
/// How long the clients may take to finish what they began, once nobody is killed any more.
const FINISH_DEADLINE: Duration = Duration::from_secs(70);
/// Degrees between two parties: no rider hears of another's jobs.
const APART: f64 = 0.3;
/// Long enough that nothing expires that somebody works on, short enough that what is left lying ends soon.
const DEADLINES: &str = "payment=25000,answer=12000,cook=40000,rider=40000,door=40000,receipt=2000,extra=25000";

/// What the test says while it runs.
fn say(text: &str) {
    // A test without anybody to read it goes on.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The server's place: its program, its folder, its port.
struct Place {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    port: u16,
}

impl Place {
    /// The program is copied, so that a build during the run changes nothing.
    fn new(folder: &Path) -> Result<Self, String> {
        let (from, program) = (program("baemin-server", "BAEMIN_SERVER")?, folder.join("server"));
        fs::copy(&from, &program).map_err(|e| format!("{}: {e}", from.display()))?;
        Ok(Self { program, folder: folder.join("data"), log: folder.join("server.log"), port: 0 })
    }

    async fn start(&self) -> Result<Server, String> {
        let (data, listen) = (self.folder.display().to_string(), format!("127.0.0.1:{}", self.port));
        let arguments = ["--data", &data, "--listen", &listen, "--deadline", DEADLINES].map(str::to_owned);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(|e| e.to_string())?;
        Server::start(&self.program, &arguments, Stdio::from(log)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let seed = setting("KILL_SEED").unwrap_or_else(Seed::fresh);
    let rounds = setting("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds as u32);
    say(&format!("KILL_SEED={seed} KILL_ROUNDS={rounds}"));
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut wrong = play(temp.path(), Seed(seed), rounds).await.unwrap_or_else(|why| vec![why]);
    let log = fs::read_to_string(temp.path().join("server.log")).unwrap_or_default();
    wrong.extend(
        log.lines().filter(|line| line.contains("panicked") || line.contains("ERROR")).map(|line| format!("the server says: {line}")),
    );
    if !wrong.is_empty() {
        let kept = temp.keep();
        for one in wrong.iter().take(20) {
            say(one);
        }
        panic!("{} things are wrong with KILL_SEED={seed}; the folder is {}", wrong.len(), kept.display());
    }
}

/// The whole run. Says what is wrong.
async fn play(temp: &Path, seed: Seed, rounds: u32) -> Result<Vec<String>, String> {
    let mut place = Place::new(temp)?;
    let server = place.start().await?;
    let host = Host::new(&server.url)?;
    place.port = host.port().ok_or("no port")?;
    let (up, is_up) = watch::channel(true);
    let (stop, stopped) = watch::channel(false);
    let clients = gather(&host, &seed, &is_up).await?;
    let running: Vec<_> = clients.into_iter().map(|client| tokio::spawn(client.run(stopped.clone()))).collect();

    let (server, began) = (kill_again_and_again(&place, server, &up, &mut seed.fork(u64::MAX), rounds).await?, Instant::now());
    let _ = stop.send(true);
    let (mut parties, mut stories, mut wrong) = finished(running).await?;
    let tries: u32 = stories.iter().map(|story| story.tries + story.said.iter().map(|said| said.tries).sum::<u32>()).sum();
    let asked: usize = stories.iter().map(|story| 1 + story.said.len()).sum();
    say(&format!(
        "{} orders, {asked} commands acknowledged, {} of them asked again; finished {:?} after the last kill",
        stories.len(),
        tries as usize - asked,
        began.elapsed()
    ));
    if stories.len() < rounds as usize / 2 {
        wrong.push(format!("only {} orders in {rounds} rounds: that is no load", stories.len()));
    }

    wrong.extend(settle::ended(&mut parties, &mut stories).await);
    settle::quiet(&place.folder).await?;
    server.stop().await?;
    say(&format!("all is quiet {:?} after the last kill", began.elapsed()));
    let books = oracle::Books::read(&place.folder)?;
    wrong.extend(oracle::judge(&books, &stories));
    if wrong.is_empty() {
        wrong.extend(oracle::planted::unseen(&place.folder, &temp.join("planted"), &stories)?);
    }
    Ok(wrong)
}

async fn gather(host: &Host, seed: &Seed, up: &watch::Receiver<bool>) -> Result<Vec<Client>, String> {
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let (host, seed, up) = (host.clone(), seed.fork(number as u64), up.clone());
        tasks.spawn(async move {
            let at = Point { lat: 37.5, lng: 120.0 + number as f64 * APART };
            let party = Party::gather(&host, &format!("kill-{number}"), at).await.map_err(|e| e.to_string())?;
            Client::new(party, up, seed, number).await
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// Kills the server at random moments, and starts it again each time on the same folder and port.
async fn kill_again_and_again(
    place: &Place,
    mut server: Server,
    up: &watch::Sender<bool>,
    seed: &mut Seed,
    rounds: u32,
) -> Result<Server, String> {
    let mut starts = vec![];
    for _ in 0..rounds {
        // The moment of the kill is the experiment.
        tokio::time::sleep(Duration::from_millis(LIVES_MS.0 + seed.below(LIVES_MS.1 - LIVES_MS.0))).await;
        up.send_replace(false);
        server.kill().await?;
        let began = Instant::now();
        server = place.start().await?;
        starts.push(began.elapsed());
        up.send_replace(true);
    }
    starts.sort_unstable();
    if let (Some(median), Some(slowest)) = (starts.get(starts.len() / 2), starts.last()) {
        say(&format!("{rounds} kills; a start took {median:?} in the median, {slowest:?} at most"));
    }
    Ok(server)
}

type Run = JoinHandle<(Party, Vec<Story>, Vec<String>)>;

async fn finished(running: Vec<Run>) -> Result<(Vec<Party>, Vec<Story>, Vec<String>), String> {
    let (mut parties, mut stories, mut wrong) = (vec![], vec![], vec![]);
    for run in running {
        let done = timeout(FINISH_DEADLINE, run).await.map_err(|_| "a client did not finish in time".to_owned())?;
        let (party, told, bad) = done.map_err(|e| format!("a client panicked: {e}"))?;
        parties.push(party);
        stories.extend(told);
        wrong.extend(bad);
    }
    Ok((parties, stories, wrong))
}
