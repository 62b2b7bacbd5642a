//! What a setting is: its name, what it may be, and what it is where nobody says anything.
use std::net::SocketAddr;

/// One setting. Everything that is said about it anywhere comes from here.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and key: `log.partitions`.
    pub name: &'static str,
    pub kind: Kind,
    /// As it is written in the file, without quotes.
    pub default: &'static str,
    /// What a number counts: `ms`, `bytes`; empty where it has no unit.
    pub unit: &'static str,
    /// Whole sentences for an operator; without line breaks.
    pub says: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds, both allowed.
    Whole {
        min: i64,
        max: i64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    Text(Form),
}

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A path that must be given.
    Path,
    /// A path, or nothing.
    PathOrEmpty,
    /// The address of a database, or nothing. It may hold a password, so it is never shown whole.
    UrlOrEmpty,
    /// The address of a service, or nothing. As that of a database, never shown whole.
    HttpOrEmpty,
    /// Address and port to listen on, or nothing.
    AddressOrEmpty,
    /// Anything in one line, or nothing.
    LineOrEmpty,
    /// A name that is part of names on a cluster, or nothing.
    NameOrEmpty,
    /// `host:port`, several separated by commas, or nothing.
    BrokersOrEmpty,
    /// A password, or nothing. From the environment alone, and never shown.
    Secret,
    /// A log level, or a list of levels by target.
    LogFilter,
}

/// A value that was found to be right for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Flag(bool),
    Whole(i64),
    Text(String),
}

impl Key {
    pub fn section(&self) -> &'static str {
        self.parts().0
    }

    /// The name within its section.
    pub fn short(&self) -> &'static str {
        self.parts().1
    }

    fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// `ORDERSTREAM__LOG__PARTITIONS`.
    pub fn variable(&self) -> String {
        let (section, short) = self.parts();
        format!("{PREFIX}{}__{}", section.to_uppercase(), short.to_uppercase())
    }

    /// What is right, in words: `a whole number from 1 to 256`.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                words.join(" or ")
            }
            Kind::Text(form) => form.allowed().to_owned(),
        }
    }

    /// The value that a text means: of an environment variable, of the command line, of a default.
    ///
    /// # Errors
    /// The value is not what the key may be; the answer says what would be right, and not for which key.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let other = || format!("is {}, expected {}", self.quoted(text), self.allowed());
        match self.kind {
            Kind::Flag => text.parse().map(Value::Flag).map_err(|_| other()),
            Kind::Whole { .. } => {
                let whole = text.parse().map_err(|_| other())?;
                self.checked(Value::Whole(whole))
            }
            Kind::Choice(_) | Kind::Text(_) => self.checked(Value::Text(text.to_owned())),
        }
    }

    /// The value, if its key may have it.
    ///
    /// # Errors
    /// As [`Key::parse`].
    pub fn checked(&self, value: Value) -> Result<Value, String> {
        let right = match (&value, self.kind) {
            (Value::Flag(_), Kind::Flag) => true,
            (Value::Whole(whole), Kind::Whole { min, max }) => (min..=max).contains(whole),
            (Value::Text(text), Kind::Choice(words)) => words.contains(&text.as_str()),
            (Value::Text(text), Kind::Text(form)) => form.is_right(text),
            (Value::Flag(_) | Value::Whole(_) | Value::Text(_), _) => false,
        };
        if right {
            return Ok(value);
        }
        let shown = match &value {
            Value::Text(text) => self.quoted(text),
            Value::Flag(_) | Value::Whole(_) => value.to_string(),
        };
        Err(format!("is {shown}, expected {}", self.allowed()))
    }

    /// A text in quotes, without what nobody should read.
    fn quoted(&self, text: &str) -> String {
        format!("{:?}", self.shown(&Value::Text(text.to_owned())))
    }

    /// A value for people: a password in an address is not among it.
    pub fn shown(&self, value: &Value) -> String {
        match (value, self.kind) {
            (Value::Text(url), Kind::Text(Form::UrlOrEmpty | Form::HttpOrEmpty)) => without_password(url),
            (Value::Text(secret), Kind::Text(Form::Secret)) if !secret.is_empty() => "...".to_owned(),
            (Value::Text(_) | Value::Flag(_) | Value::Whole(_), _) => value.to_string(),
        }
    }

    /// The default as a value.
    ///
    /// # Panics
    /// A default that its own key refuses is our own mistake; a test reads all of them.
    pub fn default_value(&self) -> Value {
        match self.parse(self.default) {
            Ok(value) => value,
            Err(why) => panic!("the default of \"{}\" {why}", self.name),
        }
    }
}

/// What every environment variable of a setting begins with.
pub const PREFIX: &str = "ORDERSTREAM__";

impl Form {
    fn allowed(self) -> &'static str {
        match self {
            Form::Path => "a path",
            Form::PathOrEmpty => "a path, or \"\"",
            Form::UrlOrEmpty => "an address that begins with \"sqlite://\" or \"postgres://\", or \"\"",
            Form::HttpOrEmpty => "an address that begins with \"http://\" or \"https://\", or \"\"",
            Form::AddressOrEmpty => "an IP address with a port, as \"127.0.0.1:9464\", or \"\"",
            Form::LineOrEmpty => "a text of one line, or \"\"",
            Form::NameOrEmpty => "at most 64 letters, digits, \"-\", \"_\" and \".\"",
            Form::BrokersOrEmpty => "\"host:port\", several separated by commas, or \"\"",
            Form::Secret => "a password, set in the environment alone",
            Form::LogFilter => {
                "error, warn, info, debug or trace, or a list of target=level, as \"info,runtime=debug\""
            }
        }
    }

    fn is_right(self, text: &str) -> bool {
        let plain = !text.contains('\0');
        match self {
            Form::Path => plain && !text.is_empty(),
            Form::PathOrEmpty => plain,
            Form::UrlOrEmpty => {
                let schemes = ["sqlite://", "postgres://", "postgresql://"];
                text.is_empty() || schemes.iter().any(|scheme| text.starts_with(scheme))
            }
            Form::HttpOrEmpty => {
                text.is_empty() || text.starts_with("http://") || text.starts_with("https://")
            }
            Form::AddressOrEmpty => text.is_empty() || text.parse::<SocketAddr>().is_ok(),
            Form::LineOrEmpty | Form::Secret => !text.contains(char::is_control),
            Form::NameOrEmpty => {
                text.len() <= NAME_CHARS_MAX
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            }
            Form::BrokersOrEmpty => text.is_empty() || text.split(',').all(is_broker),
            Form::LogFilter => is_log_filter(text),
        }
    }
}

/// The longest name of a node, and the longest prefix: they are part of names of topics, which Kafka bounds to 249.
const NAME_CHARS_MAX: usize = 64;

fn is_broker(text: &str) -> bool {
    let parts = text.trim().rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The filter's own parser takes any word for the name of a target, and would log all or nothing of a misspelt level.
fn is_log_filter(text: &str) -> bool {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |word: &str| levels.contains(&word.trim().to_ascii_lowercase().as_str());
    let is_part = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.trim().is_empty() && is_level(level),
        None => is_level(part),
    };
    text.split(',').all(is_part) && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

/// `postgres://user:...@host/db`.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A password may hold an @ of its own; a host never does.
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let authority = rest[..authority_end].rfind('@').or_else(|| rest.rfind('@'));
    let Some((credentials, host)) = authority.map(|at| (&rest[..at], &rest[at..])) else {
        return without_password_parameter(url);
    };
    let shown = match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:...{host}"),
        None => url.to_owned(),
    };
    without_password_parameter(&shown)
}

/// PostgreSQL takes the password as a parameter, too.
fn without_password_parameter(url: &str) -> String {
    let Some((place, parameters)) = url.split_once('?') else { return url.to_owned() };
    let shown = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}=..."),
        Some(_) | None => parameter.to_owned(),
    });
    format!("{place}?{}", shown.collect::<Vec<_>>().join("&"))
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Flag(flag) => flag.fmt(f),
            Value::Whole(whole) => whole.fmt(f),
            Value::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://me:secret@host/db", "postgres://me:...@host/db"),
            (
                "postgres://me:se@cret@host:5432/db?sslmode=require",
                "postgres://me:...@host:5432/db?sslmode=require",
            ),
            ("postgres://me:se/cret@host/db", "postgres://me:...@host/db"),
            ("postgres://host/db?user=me&password=secret", "postgres://host/db?user=me&password=..."),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("sqlite:///var/lib/p.sqlite", "sqlite:///var/lib/p.sqlite"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn brokers_are_hosts_with_ports() {
        for right in ["", "a:9092", "127.0.0.1:1,b.example:65535", "[::1]:9092"] {
            assert!(Form::BrokersOrEmpty.is_right(right), "{right}");
        }
        for wrong in ["a", "a:", "a:0", ":9092", "a:9092,", "http://a:9092"] {
            assert!(!Form::BrokersOrEmpty.is_right(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_misspelt_level_is_no_target() {
        for right in ["info", "INFO", "info,runtime=debug", "off,cli::service=trace"] {
            assert!(is_log_filter(right), "{right}");
        }
        for wrong in ["", "inof", "info,runtime", "runtime=loud", "=info", "info,,debug"] {
            assert!(!is_log_filter(wrong), "{wrong}");
        }
    }
}
