//! The sessions in the README are run against a real server, one after the other, and must print what the README shows.
//! Ids, clock times and dates differ from run to run and are compared by shape. `UPDATE_README=1` writes what was printed.

#![expect(clippy::unwrap_used, reason = "a README that cannot be read must fail")]

use examples::stage::Stage;
use std::{fs, path::Path, process::Output};

const BEGIN: &str = "<!-- session -->\n```console\n";
const END: &str = "```\n<!-- /session -->";

/// The README with every session replaced by what its commands print now.
fn replayed(readme: &str, stage: &Stage) -> String {
    let mut fresh = String::new();
    let mut rest = readme;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (session, after) = after.split_once(END).expect("a session that begins must end");
        fresh.push_str(before);
        fresh.push_str(BEGIN);
        for command in session.lines().filter(|line| line.starts_with("$ ")) {
            fresh.push_str(command);
            fresh.push('\n');
            fresh.push_str(&printed(&run(stage, command)));
        }
        fresh.push_str(END);
        rest = after;
    }
    fresh.push_str(rest);
    fresh
}

fn run(stage: &Stage, command: &str) -> Output {
    let line = command.strip_prefix("$ baemin --profile ").expect("a session's command names its profile");
    let (who, args) = line.split_once(' ').unwrap();
    // What a rider sees may be two contexts away from the command before: wait as long as people do between commands.
    for _ in 0..200 {
        let output = stage.command(who, args).env("BAEMIN_LANG", "en").output().unwrap();
        let waiting = args == "rider nearby" && !String::from_utf8_lossy(&output.stdout).contains("ord_");
        if !waiting {
            return output;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the job never came to the riders' list");
}

fn printed(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    both.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The shape of a text: what differs from run to run is blotted out, and so is the width that it had.
fn shape(text: &str) -> String {
    let blotted = |word: &str| {
        let id = ["ord_", "sto_", "cus_", "rid_", "acc_"].iter().any(|prefix| word.starts_with(prefix));
        let time = word.contains(':') && word.chars().all(|c| c.is_ascii_digit() || c == ':');
        let date = word.matches('-').count() == 2 && word.chars().all(|c| c.is_ascii_digit() || c == '-');
        let ago = word == "방금" || word == "now";
        if id || time || date || ago { "~".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split_whitespace().map(blotted).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sessions_in_the_readme_print_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).unwrap();
    assert_eq!(readme.matches(BEGIN).count(), 5, "a session for each role, and one for everyone");
    let stage = Stage::open().expect("the server and the command line must be built");
    let fresh = replayed(&readme, &stage);
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, fresh).unwrap();
        return;
    }
    for (shown, now) in shape(&readme).lines().zip(shape(&fresh).lines()) {
        assert_eq!(shown, now, "the README shows another output; UPDATE_README=1 writes the new one");
    }
    assert_eq!(shape(&readme), shape(&fresh), "UPDATE_README=1 writes the new one");
}
