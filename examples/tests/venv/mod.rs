//! A Python of the tests' own, with pinned packages, in the target folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the examples.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The Python of an environment with these requirements. Made once; made anew when the requirements change.
///
/// # Panics
/// If there is no Python, no `venv`, or a package cannot be had: what is missing is an error, not a reason to skip.
pub fn python(name: &str, requirements: &[PathBuf]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("venv-{name}"));
    // Tests of several processes share the folder; the lock goes with the file.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let wanted: String = requirements.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let (done, python) = (folder.join("requirements.done"), folder.join("bin/python"));
    if fs::read_to_string(&done).is_ok_and(|had| had == wanted) && python.exists() {
        return python;
    }
    let hint = "Python 3 with venv and pip is needed: on Debian and Ubuntu, apt-get install python3-venv";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), hint);
    for file in requirements {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(file);
        // Some packages carry data that is wanted without the packages which their code needs.
        if file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-data")) {
            pip.arg("--no-deps");
        }
        run(&mut pip, "the packages come from PyPI, or from where pip is told to look");
    }
    fs::write(done, wanted).unwrap();
    python
}

fn run(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}. {hint}"));
    assert!(output.status.success(), "{command:?}: {}\n{hint}", String::from_utf8_lossy(&output.stderr));
}
