//! Canaries: every phone, address, password and secret here is a word that occurs nowhere else. An evening is played with
//! them, mistakes included, over the protocols of a payment and a message provider; then everything is searched that the
//! server wrote or told to anybody whom it does not concern.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

use examples::stage::{Stage, binaries};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
const PHONE: &str = "010-7391-4826";
const ADDRESS: &str = "카나리아로 7391, 4826호";
const PASSWORD: &str = "canary-password-7391";
const WRONG: &str = "canary-wrong-7391";
const TOSS: &str = "test_sk_canary7391toss";
const SOLAPI_KEY: &str = "NCSCANARY7391";
const SOLAPI: &str = "canary7391solapi";
const HOOK: &str = "canary7391webhook";

/// A program of ours, ended with the test.
struct Program(Child, String);

impl Drop for Program {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}

/// Starts a program, and reads where it listens.
fn program(name: &str, set_up: impl FnOnce(&mut Command)) -> Program {
    let mut command = Command::new(binaries().unwrap().join(name));
    set_up(&mut command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(url.starts_with("http://"), "{name}: {line}");
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    Program(child, url)
}

/// Takes whatever is sent there, and says yes.
fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, came) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<Mutex<Vec<u8>>>::default());
    let kept = came.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = kept.clone();
            std::thread::spawn(move || while take(&stream, &kept).is_some() {});
        }
    });
    (url, came)
}

fn take(stream: &TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(said) = head[from..].to_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    kept.lock().unwrap().extend([head.as_bytes(), &body].concat());
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()
}

/// The people, and everything that was said to one of them who must not be told.
struct Evening {
    stage: Stage,
    told: Heap,
    own: Heap,
}

/// Things that were written or told, each with its name.
type Heap = Vec<(String, Vec<u8>)>;

impl Evening {
    /// Types a command of somebody; it ends like this.
    fn run(&mut self, who: &str, args: &str, code: i32) -> String {
        self.run_as(who, args, code, PASSWORD)
    }

    fn run_as(&mut self, who: &str, args: &str, code: i32, password: &str) -> String {
        let output = self.stage.command(who, args).env("BAEMIN_PASSWORD", password).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{who}: {args}\n{text}");
        // Kim is shown what is Kim's; a mistake repeats nothing of it even then.
        let is_own = who == "kim" && code == 0 || args.starts_with("rider pick");
        (if is_own { &mut self.own } else { &mut self.told }).push((format!("{who}: {args}"), said));
        text
    }

    fn until(&mut self, who: &str, args: &str, word: &str) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let output = self.stage.command(who, args).output().unwrap();
            if String::from_utf8_lossy(&output.stdout).contains(word) {
                return;
            }
            assert!(Instant::now() < give_up, "{who}: {args}: no {word}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The happy end, a cancel, a decline, and every mistake in which a canary takes part.
    fn play(&mut self) {
        self.run("lee", "store register --name 교촌치킨 --address '강남대로 396' --at 37.4979,127.0276", 0);
        self.run("lee", "store dish set 후라이드 --price 18000", 0);
        self.run("lee", "store open", 0);
        self.run("kim", &format!("customer join --name 김배민 --phone {PHONE} --address '{ADDRESS}' --at 37.4995,127.0312"), 0);
        self.run_as("kim", "login kim", 4, WRONG);
        self.run("kim", &format!("customer order --store 없는가게 --item 후라이드=1 --phone {PHONE} --address '{ADDRESS}'"), 3);
        self.run(
            "kim",
            &format!("customer order --store 교촌치킨 --item 없는메뉴=1 --phone {PHONE} --address '{ADDRESS}' --at 37.4995,127.0312"),
            5,
        );
        for rider in ["park", "seo"] {
            self.run(rider, &format!("rider register --name {rider}"), 0);
            self.run(rider, "rider on --at 37.4985,127.0280", 0);
        }
        self.run("kim", "customer order --store 교촌치킨 --item 후라이드=1", 0);
        self.until("lee", "store tickets", "후라이드");
        for step in ["tickets", "accept last --minutes 5", "start last", "finish last", "tickets", "today"] {
            self.run("lee", &format!("store {step}"), 0);
        }
        self.until("park", "rider nearby", "교촌치킨");
        self.run("park", "rider nearby", 0);
        // The canary sings for whom it concerns: so the search below is not for a word that is nowhere.
        let carried = self.run("park", "rider pick last", 0);
        assert!(carried.contains(ADDRESS) && carried.contains(PHONE), "{carried}");
        self.run("seo", "rider nearby", 0);
        self.run("park", "rider jobs", 0);
        self.run("park", "rider deliver last", 0);
        self.until("kim", "status show last", "배달");
        self.run("kim", "customer confirm last", 0);
        self.run("kim", "customer order --store 교촌치킨 --item 후라이드=1", 0);
        self.run("kim", "customer cancel last --reason '배가 안 고파요'", 0);
        self.run("kim", "customer order --store 교촌치킨 --item 후라이드=1 --pay declined-card", 5);
    }

    /// What an operator sees of it.
    fn look(&mut self) {
        let password = fs::read_to_string(self.stage.data().join("operator-password")).unwrap();
        self.run_as("ops", "login operator", 0, password.trim());
        let orders = String::from_utf8(self.stage.command("kim", "customer list -o name -q").output().unwrap().stdout).unwrap();
        assert_eq!(orders.lines().count(), 3, "{orders}");
        for order in orders.lines() {
            self.run("ops", &format!("ops saga {order} --notices -o json"), 0);
        }
        // The first event of an order, which carries the contact, is parked as it would be if it could not be handled.
        let orders = rusqlite::Connection::open(self.stage.data().join("order.db")).unwrap();
        orders.busy_timeout(PATIENCE).unwrap();
        let bodies: String = orders.query_row("select body from journal order by seq limit 1", [], |row| row.get(0)).unwrap();
        let event = serde_json::from_str::<serde_json::Value>(&bodies).unwrap()[0].clone();
        let parked = serde_json::json!({ "cause": null, "stream": event["stream"], "event": event, "reason": "no", "at_ms": 7 });
        orders.execute("insert into parked (body) values (?)", [parked.to_string()]).unwrap();
        for look in ["parked list", "parked show order:1", "parked show order:1 -o json", "lag", "health", "breaker"] {
            self.run("ops", &format!("ops {look}"), 0);
        }
    }
}

/// The secrets that were made on the way: tokens and keys.
fn made(stage: &Stage) -> Heap {
    let mut made = vec![];
    for file in files(&stage.home()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        // Tokens are the longest words of the logins that people keep.
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).filter(|word| word.len() >= 40);
        made.extend(words.map(|word| (format!("a token of {}", file.display()), word.as_bytes().to_vec())));
    }
    assert!(made.len() >= 8, "no tokens were found");
    made
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_canary_sings() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (traces, spans) = collector();
    let (hook, hooked) = collector();
    let toss = program("toss_sim", |command| {
        command.arg("--journal").arg(path("toss")).env("TOSS_SIM_SECRET_KEY", TOSS);
    });
    let solapi = program("solapi_sim", |command| {
        command.arg("--journal").arg(path("solapi")).env("SOLAPI_SIM_KEY", SOLAPI_KEY).env("SOLAPI_SIM_SECRET", SOLAPI);
    });
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = File::create(path("log")).unwrap();
    let stage = Stage::open_with(|command| {
        command.args(["--provider", &format!("toss:{}", toss.1), "--toss-checkout", &format!("{}/checkout", toss.1)]);
        command.args(["--traces-endpoint", &traces, "--metrics-listen", &metrics.to_string()]);
        command.args(["--notifier", &format!("solapi:{}?from=0212345678&pf=KA01PF&template=KA01TP", solapi.1)]);
        command.args(["--notifier", &format!("webhook:{hook}")]);
        command.env("BAEMIN_TOSS_SECRET_KEY", TOSS).env("BAEMIN_SOLAPI_KEY", SOLAPI_KEY).env("BAEMIN_SOLAPI_SECRET", SOLAPI);
        command.env("BAEMIN_WEBHOOK_SECRET", HOOK).env("BAEMIN_LOG", "debug,server=trace").stderr(log);
    });
    let mut evening = Evening { stage: stage.unwrap(), told: vec![], own: vec![] };
    evening.play();
    evening.look();
    until("a text", || fs::read_to_string(path("solapi")).unwrap().contains("01073914826"));
    until("spans", || !spans.lock().unwrap().is_empty());
    until("a webhook", || !hooked.lock().unwrap().is_empty());

    let Evening { stage, told, own } = evening;
    let tokens = made(&stage);
    let mut heap = told;
    heap.push(("the log".into(), fs::read(path("log")).unwrap()));
    heap.push(("the metrics".into(), page(&metrics.to_string())));
    heap.push(("the traces".into(), spans.lock().unwrap().clone()));
    heap.push(("the webhook".into(), hooked.lock().unwrap().clone()));
    let written = files(&stage.data())
        .into_iter()
        .filter(|file| !file.ends_with("operator-password") && !file.starts_with(stage.data().join("keys")));
    heap.extend(written.map(|file| (file.display().to_string(), fs::read(&file).unwrap())));
    // A heap proves something when it is one, and tells of the evening. The log is plain text: it goes to a file.
    let tells =
        [("the log", 5_000, "DEBUG"), ("the metrics", 1_000, "baemin_"), ("the traces", 10_000, "ord_"), ("the webhook", 500, "ord_")];
    for (name, least, word) in tells {
        let bytes = &heap.iter().find(|(of, _)| of == name).unwrap().1;
        let is_told = bytes.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(bytes.len() > least && is_told, "{name} has {} bytes, and {word} in it: {is_told}: nothing is proven", bytes.len());
    }
    assert!(!heap.iter().any(|(name, bytes)| name == "the log" && bytes.contains(&0x1b)), "a log in a file has colours");

    let people = [PHONE, "01073914826", "1073914826", ADDRESS, "7391, 4826"].map(|word| (word.to_owned(), word.as_bytes().to_vec()));
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{TOSS}:"));
    let secrets = [PASSWORD, WRONG, TOSS, SOLAPI_KEY, SOLAPI, HOOK, &basic].map(|word| (word.to_owned(), word.as_bytes().to_vec()));
    let secrets: Heap = secrets.into_iter().chain(tokens).collect();
    let mut heard = sings(&heap, &people);
    heard.extend(sings(&heap, &secrets));
    heard.extend(sings(&own, &secrets));
    assert!(heard.is_empty(), "{heard:#?}");
    // The search finds what is there.
    assert_eq!(sings(&[("a text".into(), fs::read(path("solapi")).unwrap())], &people).len(), 2);
}

/// Which canary is heard where.
fn sings(heap: &[(String, Vec<u8>)], canaries: &[(String, Vec<u8>)]) -> Vec<String> {
    let is_in = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    let pairs = heap.iter().flat_map(|thing| canaries.iter().map(move |canary| (thing, canary)));
    pairs.filter(|((_, bytes), (_, word))| is_in(bytes, word)).map(|((place, _), (name, _))| format!("{name} in {place}")).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn page(address: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = vec![];
    stream.read_to_end(&mut page).unwrap();
    page
}
