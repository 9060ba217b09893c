//! Where a bus is. A password is part of it, and is never shown.

use lapin::uri::{AMQPScheme, AMQPUri};
use std::{fmt, str::FromStr};

/// Where a bus is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Within this process.
    Local,
    /// At a RabbitMQ broker.
    Rabbit(RabbitPlace),
}

/// A RabbitMQ broker, with the name and the password to it.
#[derive(Clone, PartialEq)]
pub struct RabbitPlace(AMQPUri);

/// A place that cannot be read. What was written is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a bus is `local` or `amqp://user:password@host:port/vhost`: {0}")]
pub struct BadPlace(&'static str);

impl Place {
    /// Reads `local` or an address of a broker.
    ///
    /// # Errors
    /// A sentence that does not repeat the address.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        if text == "local" {
            return Ok(Place::Local);
        }
        if !text.contains("://") {
            return Err(BadPlace("this is neither"));
        }
        let uri = AMQPUri::from_str(text).map_err(|_| BadPlace("the address cannot be read"))?;
        match uri.scheme {
            AMQPScheme::AMQP => Ok(Place::Rabbit(RabbitPlace(uri))),
            // Better refused than silently in the clear.
            AMQPScheme::AMQPS => Err(BadPlace("encryption is not built in; put the broker into the private network")),
        }
    }
}

impl RabbitPlace {
    /// The address with everything in it, for the client library alone.
    pub(super) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }
}

impl fmt::Display for RabbitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { authority, vhost, .. } = &self.0;
        write!(f, "amqp://{}@{}:{}/{vhost}", authority.userinfo.username, authority.host, authority.port)
    }
}

impl fmt::Debug for RabbitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local => f.write_str("local"),
            Place::Rabbit(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let place = Place::parse("amqp://baemin:s3cret@broker:5673/food").unwrap();
        assert_eq!(place.to_string(), "amqp://baemin@broker:5673/food");
        assert!(!format!("{place:?}").contains("s3cret"));
        for bad in ["amqp://u:s3cret@ho st:x/", "amqps://u:s3cret@broker/food", "s3cret", "http://u:s3cret@broker"] {
            let error = Place::parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{bad}");
        }
    }
}
