//! Where journals are: a folder of SQLite files, or a PostgreSQL database. Read from one URL.

use super::Fault;
use std::{fmt, path::PathBuf, str::FromStr};

/// The option of a PostgreSQL URL that lets a journal run on a server that may lose what it has acknowledged.
const MAY_LOSE: &str = "may_lose_commits=yes";

/// Where journals are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder with one SQLite file for each context.
    Sqlite(PathBuf),
    /// A PostgreSQL database with one schema for each context.
    Postgres(PostgresPlace),
}

/// A PostgreSQL database. Its password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresPlace {
    /// How to connect.
    pub config: tokio_postgres::Config,
    /// True when a server is taken that does not flush what it acknowledges: for tests, never for orders.
    pub may_lose_commits: bool,
}

impl Place {
    /// Reads `sqlite:folder` or `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(dir) = text.strip_prefix("sqlite:") {
            return match dir {
                "" => Err(Fault("a folder is missing: sqlite:folder".into())),
                dir => Ok(Place::Sqlite(dir.into())),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresPlace::parse(text).map(Place::Postgres);
        }
        // What was given is not repeated, because it may hold a password.
        Err(Fault("a journal is at sqlite:folder or at postgres://user:password@host:port/database".into()))
    }
}

impl PostgresPlace {
    fn parse(url: &str) -> Result<Self, Fault> {
        let (base, options) = url.split_once('?').unwrap_or((url, ""));
        let (own, others): (Vec<&str>, Vec<&str>) =
            options.split('&').filter(|option| !option.is_empty()).partition(|option| *option == MAY_LOSE);
        let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        // The driver's own error may quote a part of a password that was not escaped.
        let config = tokio_postgres::Config::from_str(&url).map_err(|_| {
            Fault("this is no PostgreSQL URL: postgres://user:password@host:port/database, special characters as %XX".into())
        })?;
        if config.get_hosts().is_empty() {
            return Err(Fault("the PostgreSQL URL has no host".into()));
        }
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            return Err(Fault("this build speaks no TLS to PostgreSQL: use a private network or a local proxy".into()));
        }
        Ok(Self { config, may_lose_commits: !own.is_empty() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Sqlite(dir) => write!(f, "sqlite:{}", dir.display()),
            Place::Postgres(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (i, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match host {
                tokio_postgres::config::Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                tokio_postgres::config::Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = self.config.get_ports().get(i).or_else(|| self.config.get_ports().first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_urls() {
        assert_eq!(Place::parse("sqlite:data").unwrap(), Place::Sqlite("data".into()));
        let place = Place::parse("postgres://baemin:secret@127.0.0.1:5433/orders?connect_timeout=3&may_lose_commits=yes").unwrap();
        let Place::Postgres(place) = place else { panic!("not PostgreSQL") };
        assert_eq!(place.to_string(), "postgres://baemin@127.0.0.1:5433/orders");
        assert_eq!(place.config.get_password(), Some(&b"secret"[..]));
        assert!(place.may_lose_commits);
        for wrong in ["", "data", "sqlite:", "mysql://h/d", "postgres://", "postgres://h/d?sslmode=require", "postgres://h/d?no=1"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in
            ["postgres://u:secret@h/d", "postgres://u:secret/x@h/d", "postgres://u:se?cret=1@h/d", "secret", "postgres://u:secret@h:port/d"]
        {
            let shown = match Place::parse(url) {
                Ok(place) => format!("{place} {place:?} {place:#?}"),
                Err(fault) => format!("{fault} {fault:?}"),
            };
            assert!(!shown.contains("cret"), "{shown}");
        }
    }
}
