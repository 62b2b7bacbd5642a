//! Reading the settings: defaults, then the file, then the environment, then the command line. Whatever is wrong is found at once,
//! with its place.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use topology::SubTopology;

use super::key::{Form, Key, Kind, PREFIX, Value};
use super::keys::{KEYS, SECTIONS, SUBTOPOLOGY, key};
use super::nearest::nearest;
use super::{groups, kafka};

/// The largest settings file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    CommandLine { option: &'static str },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment { variable } => f.write_str(variable),
            Origin::CommandLine { option } => f.write_str(option),
        }
    }
}

/// One thing that is wrong: where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub place: Origin,
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What is said about the settings, in the sequence in which it counts.
#[derive(Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// Those of other programs may be among them.
    pub variables: Vec<(OsString, OsString)>,
    /// The key's name, the option that stands for it, and what was given.
    pub options: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// A file and the environment of this process.
    pub fn of_process(file: Option<&Path>) -> Sources {
        Sources {
            file: file.map(Path::to_owned),
            variables: std::env::vars_os().collect(),
            options: Vec::new(),
        }
    }
}

/// Every value with where it came from; by the key's name.
pub type Values = BTreeMap<&'static str, (Value, Origin)>;

/// What the sources say, whole.
#[derive(Clone, Debug)]
pub struct Read {
    pub values: Values,
    pub groups: Vec<SubTopology>,
    pub groups_origin: Vec<Origin>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read settings file \"{}\"", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// All there are, in the sequence of their places.
    #[error("{}", shown(.0))]
    Findings(Vec<Finding>),
}

impl Error {
    /// Only what was given on the command line is wrong.
    pub fn is_of_the_command_line(&self) -> bool {
        let is_option = |finding: &Finding| matches!(finding.place, Origin::CommandLine { .. });
        matches!(self, Error::Findings(findings) if findings.iter().all(is_option))
    }
}

fn shown(findings: &[Finding]) -> String {
    match findings {
        [one] => one.to_string(),
        several => {
            let lines: Vec<String> = several.iter().map(|finding| format!("\n  {finding}")).collect();
            format!("{} findings in the settings:{}", several.len(), lines.concat())
        }
    }
}

/// # Errors
/// An unreadable file, or all that is wrong.
pub fn read(sources: &Sources) -> Result<Read, Error> {
    let mut reading = Reading::new();
    if let Some(path) = &sources.file {
        let text = read_file(path)?;
        reading.file(path, &text);
    }
    for (name, value) in &sources.variables {
        reading.variable(name, value);
    }
    for (name, option, value) in &sources.options {
        reading.option(name, option, value);
    }
    reading.finish()
}

fn read_file(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Unreadable { path: path.to_owned(), source };
    let refused = |why: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(refused("it is no file".to_owned()));
    }
    if found.len() > FILE_BYTES_MAX {
        return Err(refused(format!("it has {} bytes, at most {FILE_BYTES_MAX} are read", found.len())));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// A file's text and name, to say where something stands.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Page<'_> {
    /// The line that a byte of the text is on, from 1.
    pub(super) fn at(self, byte: usize) -> Origin {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File { path: self.path.to_owned(), line }
    }
}

struct Reading {
    values: Values,
    groups: Vec<SubTopology>,
    groups_origin: Vec<Origin>,
    findings: Vec<Finding>,
}

impl Reading {
    fn new() -> Reading {
        let values = KEYS.iter().map(|key| (key.name, (key.default_value(), Origin::Default)));
        let (groups, findings) = (Vec::new(), Vec::new());
        Reading { values: values.collect(), groups, groups_origin: Vec::new(), findings }
    }

    fn found(&mut self, place: Origin, what: impl Into<String>) {
        self.findings.push(Finding { place, what: what.into() });
    }

    /// Takes a value that its key allows, or says why not.
    fn take(&mut self, key: &'static Key, value: Result<Value, String>, origin: Origin) {
        match value {
            Ok(value) => drop(self.values.insert(key.name, (value, origin))),
            Err(why) => self.found(origin, format!("{} {why}", key.name)),
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let page = Page { path, text };
        let (table, broken) = DeTable::parse_recoverable(text);
        for error in &broken {
            let first_line = error.message().lines().next().unwrap_or_default();
            self.found(page.at(error.span().map_or(0, |span| span.start)), format!("not TOML: {first_line}"));
        }
        // What stands in a file that is broken cannot be told: its other findings might be about something else.
        if !broken.is_empty() {
            return;
        }
        for (name, value) in table.get_ref() {
            let (place, name) = (page.at(name.span().start), name.get_ref().as_ref());
            match value.get_ref() {
                DeValue::Array(tables) if name == SUBTOPOLOGY => {
                    let read = groups::read(page, tables, &mut self.findings);
                    (self.groups, self.groups_origin) = read.into_iter().unzip();
                }
                _ if name == SUBTOPOLOGY => {
                    self.found(place, format!("{name} is a list of tables; write [[{name}]]"));
                }
                DeValue::Table(entries) => self.section(page, place, name, entries),
                _ => self.outside(place, name),
            }
        }
    }

    fn section(&mut self, page: Page<'_>, place: Origin, name: &str, entries: &DeTable<'_>) {
        if !SECTIONS.iter().any(|section| section.name == name) {
            let near = nearest(name, SECTIONS.iter().map(|section| section.name));
            return self
                .found(place, format!("there is no section [{name}]{}", did_you_mean(near, "[", "]")));
        }
        for (short, value) in entries {
            let place = page.at(short.span().start);
            let full = format!("{name}.{}", short.get_ref());
            match key(&full) {
                Some(key) => self.take(key, in_file(key, value.get_ref()), place),
                None => self.found(place, unknown(&full)),
            }
        }
    }

    /// A value outside any section.
    fn outside(&mut self, place: Origin, name: &str) {
        let home = KEYS.iter().find(|key| key.short() == name).map(|key| key.section());
        let section = SECTIONS.iter().find(|section| section.name == name).map(|section| section.name);
        self.found(
            place,
            match (home, section) {
                (Some(home), _) => format!("{name} stands outside any section; put it below [{home}]"),
                (None, Some(section)) => format!("{section} is a section; write [{section}]"),
                (None, None) => unknown(name),
            },
        );
    }

    fn variable(&mut self, name: &OsString, value: &OsString) {
        let Some(name) = name.to_str() else { return };
        let known = KEYS.iter().find(|key| key.variable() == name);
        let origin = Origin::Environment { variable: name.to_owned() };
        if let Some(key) = known {
            let text = value.to_str().ok_or_else(|| "is not UTF-8".to_owned());
            return self.take(key, text.and_then(|text| key.parse(text)), origin);
        }
        // One underscore for two is the likeliest mistake, and such a variable would be passed over for ever.
        let squeezed = |name: &str| name.replace("__", "_").to_uppercase();
        let almost = KEYS.iter().find(|key| squeezed(&key.variable()) == squeezed(name));
        if let Some(key) = almost {
            let right = key.variable();
            self.found(origin, format!("is no setting; did you mean {right}?"));
        } else if name.starts_with(&format!("{PREFIX}{}", SUBTOPOLOGY.to_uppercase())) {
            self.found(origin, "sub-topologies are set in the file alone");
        } else if name.starts_with(PREFIX) {
            let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
            let near = nearest(name, variables.iter().map(String::as_str));
            self.found(origin, format!("is no setting{}", did_you_mean(near, "", "")));
        }
    }

    fn option(&mut self, name: &str, option: &'static str, value: &str) {
        let key = key(name).unwrap_or_else(|| panic!("option {option} stands for a key that exists"));
        self.take(key, key.parse(value), Origin::CommandLine { option });
    }

    /// What only shows when all is read.
    fn check_together(&mut self) {
        let whole = |name: &str| match self.values.get(name) {
            Some((Value::Whole(whole), origin)) => (*whole, origin.clone()),
            Some((Value::Flag(_) | Value::Text(_), _)) | None => panic!("\"{name}\" is a whole number"),
        };
        let (interval_ms, _) = whole("heartbeat.interval_ms");
        let (age_ms, origin) = whole("readiness.heartbeat_age_ms_max");
        if age_ms <= interval_ms {
            self.found(
                origin,
                format!(
                    "readiness.heartbeat_age_ms_max is {age_ms}, it must be more than heartbeat.interval_ms, which is {interval_ms}"
                ),
            );
        }
        self.findings.extend(kafka::check(&self.values));
        if self.groups.is_empty() {
            self.groups = SubTopology::defaults();
            self.groups_origin = vec![Origin::Default; self.groups.len()];
        }
        let placed = self.groups.iter().zip(&self.groups_origin);
        self.findings.extend(groups::check_workers(&self.values, placed));
        // Where one of them could not be read, the others say little.
        if self.findings.is_empty()
            && let Err(error) = topology::check(&self.groups)
        {
            let origin = self.groups_origin.first().cloned().unwrap_or(Origin::Default);
            self.found(origin, error.to_string());
        }
    }

    fn finish(mut self) -> Result<Read, Error> {
        self.check_together();
        if self.findings.is_empty() {
            let Reading { values, groups, groups_origin, .. } = self;
            return Ok(Read { values, groups, groups_origin });
        }
        // The sequence of the file's keys is not that of its lines.
        self.findings.sort_by_key(|finding| match &finding.place {
            Origin::File { line, .. } => (0, *line),
            Origin::Environment { .. } => (1, 0),
            Origin::CommandLine { .. } => (2, 0),
            Origin::Default => (3, 0),
        });
        Err(Error::Findings(self.findings))
    }
}

/// A value as it stands in the file.
fn in_file(key: &Key, value: &DeValue<'_>) -> Result<Value, String> {
    match (value, key.kind) {
        (DeValue::String(text), Kind::Text(Form::Secret)) if !text.is_empty() => {
            Err(format!("stands in a file, which is no place for a password; set {}", key.variable()))
        }
        (DeValue::Boolean(flag), Kind::Flag) => key.checked(Value::Flag(*flag)),
        (DeValue::Integer(integer), Kind::Whole { .. }) => {
            let whole = i64::from_str_radix(integer.as_str(), integer.radix());
            let whole = whole.map_err(|_| format!("is {}, expected {}", integer.as_str(), key.allowed()))?;
            key.checked(Value::Whole(whole))
        }
        (DeValue::String(text), Kind::Choice(_) | Kind::Text(_)) => {
            key.checked(Value::Text(text.as_ref().to_owned()))
        }
        (other, _) => Err(format!("is {}, expected {}", kind_of(other), key.allowed())),
    }
}

/// The kind of a value, in words.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown(name: &str) -> String {
    let near = nearest(name, KEYS.iter().map(|key| key.name));
    format!("there is no setting {name}{}", did_you_mean(near, "", ""))
}

pub(super) fn did_you_mean(near: Option<&str>, before: &str, after: &str) -> String {
    near.map_or_else(
        || "; `orderstream config show` names all there are".to_owned(),
        |near| format!("; did you mean {before}{near}{after}?"),
    )
}
