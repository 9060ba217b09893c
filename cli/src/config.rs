//! Profiles: who somebody is on which server, so that one terminal can play several roles. Precedence is flag, then
//! environment, then this file, then the default. Secrets are not here; `session` keeps them apart.

use crate::{Exit, Failure, files};
use serde::{Deserialize, Serialize};
use shared::{Lang, StoreId};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where a server listens that nobody has configured.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:8088";
/// The profile that is there before any is added.
pub const DEFAULT_PROFILE: &str = "default";

/// One role on one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its address; [`DEFAULT_SERVER`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The account's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The store that an owner works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreId>,
    /// The language of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
}

/// The file `config.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The profile in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The language of every profile that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    /// By name.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// Where the files are.
#[derive(Debug, Clone)]
pub struct Home {
    /// `config.toml`.
    pub config: PathBuf,
    /// The folder of tokens and positions.
    pub state: PathBuf,
}

impl Home {
    /// `$BAEMIN_HOME`, or the usual folders of XDG.
    ///
    /// # Errors
    /// When there is no home at all.
    pub fn find() -> Result<Self, Failure> {
        if let Some(home) = std::env::var_os("BAEMIN_HOME").filter(|h| !h.is_empty()) {
            return Ok(Self::at(Path::new(&home)));
        }
        use etcetera::BaseStrategy;
        let base = etcetera::choose_base_strategy()
            .map_err(|e| Failure::new(Exit::Failed, e.to_string()).hint("BAEMIN_HOME=~/.baemin baemin ..".to_owned()))?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir()).join("baemin");
        Ok(Self { config: base.config_dir().join("baemin/config.toml"), state })
    }

    /// Everything in one folder.
    pub fn at(folder: &Path) -> Self {
        Self { config: folder.join("config.toml"), state: folder.join("state") }
    }

    /// Reads the file; an absent one is the default.
    ///
    /// # Errors
    /// When it cannot be read, with the place.
    pub fn load(&self) -> Result<Config, Failure> {
        let Some(text) = files::read(&self.config)? else { return Ok(Config::default()) };
        toml::from_str(&text).map_err(|e| {
            Failure::new(Exit::Usage, format!("{}: {}", self.config.display(), e.message()))
                .why(e.span().map_or_else(String::new, |s| format!("line {}", text[..s.start.min(text.len())].lines().count().max(1))))
                .hint("baemin profile add NAME --server URL")
        })
    }

    /// Changes the file under its lock.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut Config)) -> Result<Config, Failure> {
        let _lock = files::lock(&self.config)?;
        let mut config = self.load()?;
        change(&mut config);
        let text = toml::to_string_pretty(&config).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        files::write(&self.config, &text)?;
        Ok(config)
    }
}

impl Config {
    /// The profile's name: as asked for, or the one in use.
    pub fn name(&self, asked: Option<&str>) -> String {
        asked.or(self.current.as_deref()).unwrap_or(DEFAULT_PROFILE).to_owned()
    }

    /// The profile; `None` when it has never been added. The default one is always there.
    pub fn profile(&self, name: &str) -> Option<Profile> {
        self.profiles.get(name).cloned().or_else(|| (name == DEFAULT_PROFILE).then(Profile::default))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[test]
    fn a_profile_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        assert_eq!(home.load().unwrap(), Config::default());
        let profile = Profile { server: Some("http://x".into()), account: Some("교촌".into()), store: None, lang: Some(Lang::En) };
        home.change(|c| {
            c.profiles.insert("shop".into(), profile.clone());
            c.current = Some("shop".into());
        })
        .unwrap();
        let config = home.load().unwrap();
        assert_eq!((config.name(None).as_str(), config.profile("shop")), ("shop", Some(profile)));
        assert_eq!((config.profile("nobody"), config.profile("default")), (None, Some(Profile::default())));
    }

    #[test]
    fn a_broken_file_is_told_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        files::write(&home.config, "current = \"x\"\nfoo = 1\n").unwrap();
        assert_eq!(home.change(|_| ()).unwrap_err().exit, Exit::Usage);
        assert!(files::read(&home.config).unwrap().unwrap().contains("foo"));
    }
}
